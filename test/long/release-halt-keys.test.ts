/** Halt files when more people must sign than signed them: the list goes on once they have. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runCommand } from '../harness/command.ts';
import { haltedOn, rotate, useHalted } from '../harness/halted-project.ts';
import { putHalt } from '../harness/halts.ts';
import { makeBo } from '../harness/two-people.ts';

it('where more must sign now, the list waits for them, and is completed from a mirror that has it', async () => {
  const site = await useHalted();
  const bo = await makeBo(site);
  const keys = ['--key', join(bo.folder, 'bo.pub'), '--threshold', '2'];
  await rotate(site, 2, ...keys, '--floor', 'stable=1.0.0');
  const dry = await site.release(['trust', 'publish', '--dry-run']);
  expect(dry.stdout).toContain("channel 'stable': would sign anew: serial 2 halts 1.1.0");
  const waiting = await site.release(['trust', 'publish']);
  expect(waiting).toMatchObject({ code: 3 });
  expect(waiting.stdout).toContain('it waits for 1 more signature');
  expect(haltedOn(site)).toEqual([1, ['1.1.0']]);
  const shipped = await site.release(['ship', '1.2.0']);
  expect(shipped).toMatchObject({ code: 3 });
  expect(shipped.stderr).toContain('release sign halt-2.json --key FILE');
  await bo.sign(join(site.directory, '.release/halts/stable/halt-2.json'));
  expect(await site.release(['trust', 'publish'])).toMatchObject({ code: 0 });
  expect(haltedOn(site)).toEqual([2, ['1.1.0']]);

  putHalt(site.mirror('lima'), site.key, { channel: 'stable', serial: 1, halted: [] });
  const audit = await runCommand('mirrors', ['doctor'], { cwd: site.directory });
  expect(audit.stdout).toContain('  $ mirrors sync --to lima\n');
  expect(await site.release(['halt', '--renew'])).toMatchObject({ code: 0 });
  expect(haltedOn(site)).toEqual([2, ['1.1.0']]);
});
