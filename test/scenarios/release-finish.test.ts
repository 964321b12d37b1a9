/** Ways back into a release that was begun: mirrors that were down, other machines, a damaged folder. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { runCommand, startCommand } from '../harness/command.ts';
import { expectComplete, filesOf, manifestOn, unplug } from '../harness/mirror-content.ts';
import { useProject, writeWebUi } from '../harness/project.ts';
import { secondMachine } from '../harness/second-machine.ts';

describe('with a mirror down', () => {
  it('ships to the others, exits 4, and completes it later with the same bytes', async () => {
    const site = await useProject();
    const plugIn = unplug(site.mirror('lima'));
    const partial = await site.release(['ship']);
    expect(partial.code).toBe(4);
    expect(partial.stdout).toContain('is on 2 of 3 mirrors, 2 needed');
    expect(partial.stdout).toContain('this completes the rest: release ship 1.0.0');
    expect(partial.stdout).toContain(`lima: '${site.mirror('lima')}' is not a mirror`);
    const bytes = filesOf(site.mirror('oslo'));
    plugIn();
    // What is in the project by now is of no interest: the release is made.
    writeWebUi(site, 'something else');
    const rest = await site.release(['ship', '1.0.0']);
    expect(rest.code).toBe(0);
    expectComplete(site, '1.0.0');
    expect(filesOf(site.mirror('lima'))).toEqual(bytes);
  });

  it('publishes no index without a quorum, and finishes later', async () => {
    const site = await useProject();
    const back = [unplug(site.mirror('lima')), unplug(site.mirror('kyoto'))];
    const failed = await site.release(['ship']);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('too few mirrors: expected at least 2 of 3');
    expect(failed.stderr).toContain("'lima': '");
    expect(manifestOn(site.mirror('oslo'))).toBeUndefined();
    for (const plugIn of back) plugIn();
    expect(await site.release(['ship'])).toMatchObject({ code: 0 });
    expectComplete(site, '1.0.0');
  });

  it('takes a quorum that is given', async () => {
    const site = await useProject();
    unplug(site.mirror('lima'));
    unplug(site.mirror('kyoto'));
    expect(await site.release(['ship', '--quorum', '1'])).toMatchObject({ code: 4 });
    expect(manifestOn(site.mirror('oslo'))?.version).toBe('1.0.0');
  });

  it('publishes no index when mirrors fail between upload and read back', async () => {
    const site = await useProject();
    // A mirror that takes files and serves none: its web address is another, empty, folder.
    for (const name of ['lima', 'kyoto']) {
      const served = join(site.root, 'mirrors', `${name}-served`);
      site.write(`../mirrors/${name}-served/landfall-mirror.json`, '{}');
      const entry = site.config.mirrors.find((each) => each.name === name);
      Object.assign(entry ?? {}, { url: `file://${served}` });
    }
    site.writeConfig();
    const failed = await site.release(['ship']);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("'lima': does not serve what was uploaded");
    for (const { directory } of site.mirrors) expect(manifestOn(directory)).toBeUndefined();
  });
});

describe('from another machine', () => {
  it('completes a release that only mirrors know, without building', async () => {
    const site = await useProject();
    const plugIn = unplug(site.mirror('lima'));
    await site.release(['ship']);
    plugIn();
    rmSync(join(site.directory, '.release'), { recursive: true });
    rmSync(join(site.directory, 'dist'), { recursive: true });
    rmSync(join(site.directory, 'keys'), { recursive: true });
    const bytes = filesOf(site.mirror('oslo'));
    expect(await site.release(['ship', '1.0.0'])).toMatchObject({ code: 0 });
    expectComplete(site, '1.0.0');
    expect(filesOf(site.mirror('oslo'))).toEqual(bytes);
  });

  it('refuses other bytes for a version that mirrors have, naming them', async () => {
    const site = await useProject();
    await site.release(['ship']);
    const before = filesOf(site.mirror('oslo'));
    rmSync(join(site.directory, '.release'), { recursive: true });
    writeWebUi(site, 'another edition');
    await site.release(['build']);
    const refused = await site.release(['ship']);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain('release 1.0.0 is on the mirrors with other bytes than here');
    expect(refused.stderr).toContain('web-ui-1.0.0.tar.zst');
    expect(filesOf(site.mirror('oslo'))).toEqual(before);
  });

  it('refuses when artifacts of the version are there with other bytes and no index yet', async () => {
    const site = await useProject();
    const other = 'releases/download/v1.0.0/web-ui-1.0.0.tar.zst';
    site.write(`../mirrors/lima/${other}`, 'built elsewhere');
    const refused = await site.release(['ship']);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain("'web-ui-1.0.0.tar.zst' on 'lima'");
    expect(readFileSync(join(site.mirror('lima'), other), 'utf8')).toBe('built elsewhere');
    for (const { directory } of site.mirrors) expect(manifestOn(directory)).toBeUndefined();
  });

  it('refuses to go on with a sequence that another release took', async () => {
    const site = await useProject();
    await site.release(['ship']);
    // 1.1.0 is signed here, and killed before anything of it is out.
    const killed = await site.release(['ship', '1.1.0'], {
      env: { LANDFALL_CRASH_AT: 'ship-signed' },
    });
    expect(killed.signal).toBe('SIGKILL');
    const elsewhere = secondMachine(site);
    expect(await elsewhere(['ship', '1.2.0'])).toMatchObject({ code: 0 });
    const refused = await site.release(['ship', '1.1.0']);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain('sequence 2 was signed here for release 1.1.0');
    expectComplete(site, '1.2.0');
    // What the hint says works.
    rmSync(join(site.directory, '.release', '1.1.0'), { recursive: true });
    expect(await site.release(['ship', '1.3.0'])).toMatchObject({ code: 0 });
    expect(manifestOn(site.mirror('oslo'))?.sequence).toBe(3);
  });

  it('leaves out the sequence of a release that was never published, as an audit expects', async () => {
    const site = await useProject();
    await site.release(['ship']);
    await site.release(['ship', '1.1.0'], { env: { LANDFALL_CRASH_AT: 'ship-signed' } });
    expect(await site.release(['ship', '1.2.0'])).toMatchObject({ code: 0 });
    expect(manifestOn(site.mirror('oslo'))).toMatchObject({
      sequence: 3,
      previous: { sequence: 1 },
    });
    const audited = await runCommand('mirrors', ['audit', '--json'], { cwd: site.directory });
    expect(JSON.parse(audited.stdout)).toMatchObject({ findings: [] });
    expect(audited.code).toBe(0);
  });
});

describe('what is in the working folder', () => {
  it('is repaired from a mirror when an artifact is damaged', async () => {
    const site = await useProject();
    const plugIn = unplug(site.mirror('lima'));
    await site.release(['ship']);
    plugIn();
    const path = join(site.directory, '.release', '1.0.0', 'web-ui-1.0.0.tar.zst');
    writeFileSync(path, 'damaged');
    const shipped = await site.release(['ship']);
    expect(shipped.code).toBe(0);
    expect(shipped.stderr).toContain('web-ui-1.0.0.tar.zst: fetched from');
    expectComplete(site, '1.0.0');
  });

  it('is never shipped when it does not verify any more', async () => {
    const site = await useProject();
    await site.release(['ship'], { env: { LANDFALL_CRASH_AT: 'ship-signed' } });
    const path = join(site.directory, '.release', '1.0.0', 'manifest.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('stable', 'stabil'));
    const refused = await site.release(['ship']);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain('not signed by enough trusted keys');
    for (const { directory } of site.mirrors) expect(manifestOn(directory)).toBeUndefined();
  });

  it('is used by one command at a time', async () => {
    const site = await useProject({
      configure: (config) => {
        Object.assign(config.components[0] ?? {}, { before: [['sleep', '3']] });
      },
    });
    const first = startCommand('release', ['ship'], { cwd: site.directory });
    while (!first.output().stderr.includes('open the keys')) {
      await sleep(20);
    }
    const second = await site.release(['ship']);
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/is held by process \d+ \(release ship 1\.0\.0\)/);
    expect(await first.done).toMatchObject({ code: 0 });
  });
});

describe('a signal', () => {
  it('ends a ship in order: the lock is given back, and the next run goes on', async () => {
    const site = await useProject({
      configure: (config) => {
        Object.assign(config.components[0] ?? {}, { before: [['sleep', '30']] });
      },
    });
    const running = startCommand('release', ['ship'], { cwd: site.directory });
    while (!running.output().stderr.includes('open the keys')) await sleep(20);
    await sleep(300);
    running.child.kill('SIGTERM');
    const { code, stderr } = await running.done;
    expect(code).toBe(1);
    expect(stderr).toContain('error: shipping 1.0.0 was interrupted');
    expect(stderr).toContain('hint: run the same command again: it goes on from where it was');
    Object.assign(site.config.components[0] ?? {}, { before: [] });
    site.writeConfig();
    expect(await site.release(['ship'])).toMatchObject({ code: 0 });
  });
});
