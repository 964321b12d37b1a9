/** Reads `release.config.ts`. Changes nothing. */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { describeIssues } from '@landfall/errors';
import { parsePublicKey } from '@landfall/minisign';
import { loadConfigModule, type MirrorConfig } from '@landfall/mirrors';
import type { TrustPolicy } from '@landfall/trust';
import { configSchema, type Settings } from './config.ts';
import { ReleaseError } from './errors.ts';

export const CONFIG_FILE = 'release.config.ts';

/**
 * The checked configuration at `path`, or `release.config.ts` of the current
 * folder. Throws `ReleaseError` CONFIG_MISSING, CONFIG_INVALID, `MirrorError` CONFIG.
 */
export async function loadSettings(path: string | undefined): Promise<Settings> {
  const file = resolve(path ?? CONFIG_FILE);
  if (!existsSync(file)) {
    throw new ReleaseError(
      'CONFIG_MISSING',
      `no configuration: expected '${file}', found nothing`,
      {
        hint:
          path === undefined
            ? "run it in your project's folder, or write one with 'release init'"
            : 'check the path given to --config',
      },
    );
  }
  const result = configSchema.safeParse(await loadConfigModule(file));
  if (!result.success) {
    throw new ReleaseError(
      'CONFIG_INVALID',
      `'${file}' does not fit: ${describeIssues(result.error.issues)}`,
      { cause: result.error, hint: "'release init --dry-run' shows a commented example" },
    );
  }
  const directory = dirname(file);
  const mirrors = result.data.mirrors.map((mirror) => fromFolder(mirror, directory));
  return { ...result.data, mirrors, directory };
}

/** Paths of mirrors start where the configuration is, from wherever the command is run. */
function fromFolder(mirror: MirrorConfig, directory: string): MirrorConfig {
  if (mirror.type === 'directory') {
    return mirror.path === undefined
      ? mirror
      : { ...mirror, path: resolve(directory, mirror.path) };
  }
  const file = mirror.token?.file;
  return file === undefined ? mirror : { ...mirror, token: { file: resolve(directory, file) } };
}

/** Who may sign, as the configuration says. */
export function policyOf(settings: Settings): TrustPolicy {
  return {
    keys: settings.keys.public.map((text) => parsePublicKey(text)),
    threshold: settings.keys.threshold,
  };
}
