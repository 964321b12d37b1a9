/** Which version is meant. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '@landfall/errors';
import { isVersion } from '@landfall/manifest';
import { z } from 'zod';
import { ReleaseError } from './errors.ts';

/** The version given, else that of the project's package.json. Throws `ReleaseError` VERSION_INVALID. */
export function versionOf(given: string | undefined, directory: string): string {
  const [version, from] =
    given === undefined ? [fromPackage(directory), 'package.json'] : [given, 'argument'];
  if (isVersion(version)) return version;
  const wanted = version.startsWith('v') && isVersion(version.slice(1));
  throw new ReleaseError(
    'VERSION_INVALID',
    `${from}: expected a semantic version such as 1.7.41-alpha, found '${version.slice(0, 80)}'`,
    {
      hint: wanted
        ? `leave out the 'v': ${version.slice(1)}`
        : 'three numbers, perhaps a pre-release after a dash; no build metadata (+…), it has no order',
    },
  );
}

function fromPackage(directory: string): string {
  const path = join(directory, 'package.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const why =
      systemCode(error) === 'ENOENT' ? 'there is no package.json' : 'package.json cannot be read';
    throw noVersion(why, error);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw noVersion('package.json is not JSON', error);
  }
  const result = z.object({ version: z.string() }).safeParse(parsed);
  if (result.success) return result.data.version;
  throw noVersion("package.json has no 'version'", result.error);
}

function noVersion(why: string, cause: unknown): ReleaseError {
  return new ReleaseError('VERSION_INVALID', `no version given, and ${why}`, {
    cause,
    hint: 'give the version: release ship 1.2.3',
  });
}
