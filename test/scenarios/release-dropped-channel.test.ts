/** A channel that nobody may sign any more: what was made for it here can still be looked at. */
import { join } from 'node:path';
import { generateKeyPair, publicKeyBase64 } from '@landfall/minisign';
import { expect, it } from 'vitest';
import { useProject } from '../harness/project.ts';
import { makeBo, waitingIn, writeKey } from '../harness/two-people.ts';

it('is told of by status and diff, with what waited for signatures', async () => {
  const site = await useProject();
  const bo = await makeBo(site);
  const done = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await site.release(args);
    expect(code, stderr).toBe(0);
  };
  await writeKey(join(site.directory, 'keys'), 'root', generateKeyPair());
  const beta = [site.publicKey, publicKeyBase64(bo.key.publicKey)].map((key) => `beta=${key}`);
  const keys = [site.publicKey, ...beta].flatMap((key) => ['--key', key]);
  const init = ['trust', 'init', '--root-key', 'keys/root.pub', '--threshold', 'beta=2'];
  await done(...init, ...keys);
  await done('sign', 'trust/root-1.json', '--key', 'keys/root.key');
  site.config.keys = { secret: ['keys/release.key'], root: 'trust' };
  site.writeConfig();
  await site.release(['ship', '1.0.0', '--channel', 'beta']);
  await bo.sign(waitingIn(site));
  await done('ship', '1.0.0', '--channel', 'beta');
  await done('ship', '1.2.0');
  expect(await site.release(['ship', '1.1.0', '--channel', 'beta'])).toMatchObject({ code: 3 });
  await done('trust', 'rotate', '--drop-channel', 'beta');
  await done('sign', 'trust/root-2.json', '--key', 'keys/root.key');
  const status = await site.release(['status']);
  expect(status.code, status.stderr).toBe(0);
  expect(status.stdout).toMatch(/1\.0\.0 +beta +1 +signed by keys that were replaced since/);
  expect(status.stdout).toMatch(/1\.1\.0 +beta +2 +waits .*lets nobody sign channel 'beta'/);
  const diff = await site.release(['diff', '1.0.0', '1.2.0']);
  expect(diff.code, diff.stderr).toBe(0);
  expect(diff.stdout).toContain('web-ui: same');
});
