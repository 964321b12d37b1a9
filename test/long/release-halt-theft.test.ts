/**
 * Halt files after a key was stolen: nodes take nothing from a mirror that
 * shows one which only old keys signed. What was halted stays halted, and what
 * the thief put there neither counts nor goes unnoticed.
 */
import { expect, it } from 'vitest';
import { runCommand } from '../harness/command.ts';
import { haltedOn, haltsOn, rotate, useHalted } from '../harness/halted-project.ts';
import { putHalt } from '../harness/halts.ts';
import { filesOf } from '../harness/mirror-content.ts';
import { useNode } from '../harness/pinned-node.ts';
import { writeWebUi } from '../harness/project.ts';

it('after a theft the list goes on with the new key, and a list of the thief is decided on', async () => {
  const site = await useHalted();
  const check = await useNode(site);
  await rotate(
    site,
    2,
    ...['--drop', site.publicKey, '--key', 'keys/second.pub'],
    '--floor',
    'stable=1.0.0',
  );

  // The new key is not configured yet: the root documents go out, and what is lacking is said.
  const early = await site.release(['trust', 'publish']);
  expect(early).toMatchObject({ code: 3 });
  expect(early.stdout).toContain('root document 2 is on 2 of 2 mirrors');
  expect(early.stdout).toContain("channel 'stable' is STOPPED");
  expect(early.stdout).toContain("secret key 'keys/release.key'");
  const dropped = "it was dropped by root document 2: take it out of 'keys.secret'";
  expect(early.stdout).toContain(dropped);
  expect(early.stdout).not.toContain('trust rotate');
  expect(await check()).toMatchObject({ error: { code: 'NO_MANIFEST' } });
  const doctor = await runCommand('mirrors', ['doctor'], { cwd: site.directory });
  expect(doctor.stdout).toContain('  $ release halt --renew\n');

  // Beside the new one the stolen key is refused as well, and nobody is told to trust it again.
  site.config.keys.secret = ['keys/release.key', 'keys/second.key'];
  site.writeConfig();
  const both = await site.release(['renew']);
  expect(both).toMatchObject({ code: 2 });
  expect(both.stderr).toContain(`hint: ${dropped}`);
  expect(both.stderr).not.toContain('trust rotate');

  site.config.keys.secret = ['keys/second.key'];
  site.writeConfig();
  const env = { LANDFALL_CRASH_AT: 'halt-published' };
  expect(await site.release(['renew'], { env })).toMatchObject({ signal: 'SIGKILL' });
  const renewed = await site.release(['renew']);
  expect(renewed).toMatchObject({ code: 0 });
  expect(haltedOn(site)).toEqual([2, ['1.1.0']]);
  expect(haltsOn(site)[0]?.halted[0]?.reason).toBe('page is blank');
  expect(await check()).toMatchObject({ version: '1.0.0', mirrors: [] });

  // The thief's list takes back the halt, and halts what repairs it.
  for (const { directory } of site.mirrors) {
    const halted = [{ version: '1.2.0', reason: 'mine', at: '2026-04-22T19:00:00Z' }];
    putHalt(directory, site.key, { channel: 'stable', serial: 900, halted });
  }
  writeWebUi(site, 'two');
  const before = filesOf(site.mirror('oslo'));
  const refused = await site.release(['ship', '1.1.0']);
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.stderr).toContain("serial 900, halts 1.2.0 'mine'");
  expect(refused.stderr).toContain('--renew --from here');
  expect(await site.release(['halt', '1.3.0', '--reason', 'x'])).toMatchObject({ code: 3 });
  expect(await site.release(['halt', '--renew'])).toMatchObject({ code: 3 });
  const merged = await site.release(['halt', '--renew', '--from', 'lima', '--dry-run']);
  expect(merged.stdout).toContain("serial 901 of channel 'stable' halts 1.1.0 and 1.2.0");
  expect(filesOf(site.mirror('oslo'))).toEqual(before);
  const own = await site.release(['halt', '--renew', '--from', 'here']);
  expect(own).toMatchObject({ code: 0 });
  expect(haltedOn(site)).toEqual([901, ['1.1.0']]);
  expect(await site.release(['ship', '1.1.0'])).toMatchObject({ code: 0 });
  expect(await check(), 'halted, as it was before').toMatchObject({
    version: '1.1.0',
    decline: { code: 'halted' },
  });
});
