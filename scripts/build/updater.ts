/**
 * `npm run build:updater`: the updater as a single executable per platform, in
 * `dist/`, each with a document that says what is in it (`.cdx.json`). `--
 * --platform linux-x64` makes that one alone, `--out FOLDER` puts it elsewhere.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { formatBytes } from '@landfall/cli';
import { HOUSE } from './bundle.ts';
import { PLATFORMS } from './runtime.ts';
import { makeSbom } from './sbom.ts';
import { buildSingleExecutable } from './single-executable.ts';

const { values } = parseArgs({
  options: { platform: { type: 'string', multiple: true }, out: { type: 'string' } },
});
const folder = resolve(values.out ?? join(HOUSE, 'dist'));
const wanted = values.platform ?? PLATFORMS;

for (const name of wanted) {
  const platform = PLATFORMS.find((each) => each === name);
  if (platform === undefined) {
    throw new Error(`expected a platform of ${PLATFORMS.join(', ')}, found '${name}'`);
  }
  const file = join(folder, `updater-${platform}`);
  const packages = await buildSingleExecutable('updater/main.ts', platform, file);
  const bytes = readFileSync(file);
  const digest = createHash('sha256').update(bytes).digest('hex');
  const sbom = makeSbom({ packages, workspace: 'updater', platform, sha256: digest });
  writeFileSync(`${file}.cdx.json`, `${JSON.stringify(sbom, null, 2)}\n`);
  console.log(`${digest}  ${file}  ${formatBytes(bytes.length)}`);
}
