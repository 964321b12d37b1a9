/** A dry run of a release that was begun: it changes nothing here, and ends as the run itself would. */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { filesOf } from '../harness/mirror-content.ts';
import { useProject } from '../harness/project.ts';
import { secondMachine } from '../harness/second-machine.ts';

const WEB_UI = '.release/1.0.0/web-ui-1.0.0.tar.zst';

it('leaves what was signed here as it is when another machine has renewed it', async () => {
  const site = await useProject();
  const elsewhere = secondMachine(site);
  await site.release(['ship']);
  expect(await elsewhere(['renew'])).toMatchObject({ code: 0 });
  const before = filesOf(join(site.directory, '.release'));
  const dry = await site.release(['ship', '--dry-run']);
  expect(dry.code).toBe(0);
  expect(dry.stdout).toContain('(channel stable, sequence 2)');
  expect(filesOf(join(site.directory, '.release'))).toEqual(before);
  rmSync(join(site.directory, WEB_UI));
  expect(await site.release(['ship', '--dry-run'])).toMatchObject({ code: 0 });
  const rest = Object.entries(before).filter(([path]) => join('.release', path) !== WEB_UI);
  expect(filesOf(join(site.directory, '.release'))).toEqual(Object.fromEntries(rest));
});

it('goes through where an artifact is missing here that mirrors have', async () => {
  const site = await useProject();
  await site.release(['ship']);
  rmSync(join(site.directory, WEB_UI));
  const before = filesOf(join(site.directory, '.release'));
  const dry = await site.release(['ship', '--dry-run']);
  expect(dry.stderr).toContain('web-ui-1.0.0.tar.zst: fetched from');
  expect(dry.code).toBe(0);
  expect(filesOf(join(site.directory, '.release'))).toEqual(before);
  for (const { directory } of site.mirrors) {
    rmSync(join(directory, 'releases/download/v1.0.0/web-ui-1.0.0.tar.zst'));
  }
  const lost = await site.release(['ship', '--dry-run']);
  expect(lost.code).toBe(3);
  expect(lost.stderr).toContain(`'${join(site.directory, WEB_UI)}' is not what was signed`);
});

it.each(['ship', 'build'])(
  'of %s leaves nothing for good in the temporary folder',
  async (name) => {
    const site = await useProject();
    const TMPDIR = join(site.root, 'tmp');
    mkdirSync(TMPDIR);
    const env = { TMPDIR, LANDFALL_CRASH_AT: 'ship-artifact-packed' };
    expect(await site.release([name, '--dry-run'], { env })).toMatchObject({ signal: 'SIGKILL' });
    const made = (): string[] => readdirSync(TMPDIR).filter((each) => each.includes('dry-run'));
    expect(made()).toHaveLength(1);
    expect(await site.release([name, '--dry-run'], { env: { TMPDIR } })).toMatchObject({ code: 0 });
    expect(made()).toEqual([]);
  },
);
