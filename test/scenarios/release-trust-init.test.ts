/** What the first root document says, of what the configuration and the options say. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateKeyPair, publicKeyBase64 } from '@landfall/minisign';
import { parseRoot } from '@landfall/trust';
import { expect, it } from 'vitest';
import { useProject } from '../harness/project.ts';

it.each([
  ['the configuration', [], 1],
  ['the option, whatever the configuration says', ['--threshold', '2'], 2],
])('asks for as many signatures as %s', async (_, more, threshold) => {
  const site = await useProject();
  const keys = [site.publicKey, publicKeyBase64(generateKeyPair().publicKey)];
  site.config.keys.public = keys;
  site.writeConfig();
  const made = await site.release(['trust', 'init', '--root-key', site.publicKey, ...more]);
  expect(made).toMatchObject({ code: 0 });
  const root = parseRoot(readFileSync(join(site.directory, 'trust/root-1.json')));
  expect(root.channels).toEqual([{ channel: 'stable', keys, threshold }]);
});
