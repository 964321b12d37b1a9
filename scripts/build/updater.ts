/**
 * `npm run build:updater`: the updater as a single executable per platform, in
 * `dist/`. `-- --platform linux-x64` makes that one alone, `--out FOLDER` puts
 * it elsewhere.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { formatBytes } from '@landfall/cli';
import { HOUSE } from './bundle.ts';
import { PLATFORMS } from './runtime.ts';
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
  await buildSingleExecutable('updater/main.ts', platform, file);
  const bytes = readFileSync(file);
  const digest = createHash('sha256').update(bytes).digest('hex');
  console.log(`${digest}  ${file}  ${formatBytes(bytes.length)}`);
}
