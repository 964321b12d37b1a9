/** `release withdraw`: what the channel offers afterwards, from here, from elsewhere, after a crash. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Outcome, runCommand } from '../harness/command.ts';
import { useGiteaProject } from '../harness/gitea-project.ts';
import { expectComplete, filesOf, manifestOn, unplug } from '../harness/mirror-content.ts';
import { makeNode } from '../harness/node.ts';
import { type Project, type ProjectOptions, useProject, writeWebUi } from '../harness/project.ts';

/** A project that shipped `versions`, each with an edition of its own. */
async function shipped(
  versions: readonly string[],
  options: ProjectOptions = {},
): Promise<Project> {
  const site = await useProject(options);
  for (const version of versions) {
    writeWebUi(site, version);
    const { code, stderr } = await site.release(['ship', version]);
    if (code !== 0) throw new Error(stderr);
  }
  return site;
}

/** When every artifact was written on a mirror: an upload changes it. */
function writtenAt(directory: string): Record<string, number> {
  const paths = Object.keys(filesOf(directory)).filter((path) => path.includes('/download/'));
  return Object.fromEntries(paths.map((path) => [path, statSync(join(directory, path)).mtimeMs]));
}

const historyOf = (mirror: string): string => join(mirror, 'releases/history');

describe('withdrawing the current release', () => {
  it('goes back to the one before it, in every mirror, without an upload', async () => {
    const site = await shipped(['1.0.0', '1.1.0']);
    const before = writtenAt(site.mirror('oslo'));
    const outcome = await site.release(['withdraw', '1.1.0', '--reason', 'answers 500', '--json']);
    expect(outcome.code).toBe(0);
    expect(JSON.parse(outcome.stdout)).toMatchObject({
      version: '1.0.0',
      sequence: 3,
      complete: 3,
      mirrors: [{ sentBytes: 0 }, { sentBytes: 0 }, { sentBytes: 0 }],
    });
    expectComplete(site, '1.0.0');
    expect(manifestOn(site.mirror('lima'))).toMatchObject({
      sequence: 3,
      previous: { sequence: 2 },
      withdrawn: ['1.1.0'],
      withdrawnReasons: { '1.1.0': 'answers 500' },
    });
    expect(writtenAt(site.mirror('oslo'))).toEqual(before);
    expect(await site.release(['verify'])).toMatchObject({ code: 0 });
  });

  it('moves nodes that run it to the older one, by themselves and at once', async () => {
    const site = await shipped(['1.0.0', '1.1.0'], { configure: onlyWebUi });
    const node = await makeNode({ keys: [site.publicKey], mirrors: [site.mirror('oslo')] });
    expect(await node.updater(['once'])).toMatchObject({ code: 0 });
    expect(node.current()).toContain('1.1.0-');
    expect(await site.release(['withdraw', '1.1.0'])).toMatchObject({ code: 0 });
    const outcome = await node.updater(['once']);
    expect(outcome.code).toBe(0);
    expect(node.current()).toContain('1.0.0-');
    expect(node.page()).toContain('1.0.0');
    expect(node.quarantined()).toEqual([]);
    const again = await node.updater(['once']);
    expect(again.code).toBe(0);
    expect(node.current()).toContain('1.0.0-');
  });

  it('does not wait for the probation of what it withdraws', async () => {
    const site = await shipped(['1.0.0', '1.1.0'], { configure: onlyWebUi });
    const node = await makeNode({
      keys: [site.publicKey],
      mirrors: [site.mirror('oslo')],
      top: ['probation = "10m"'],
    });
    expect(await node.updater(['once'])).toMatchObject({ code: 0 });
    expect(node.stateName()).toBe('probation');
    await site.release(['withdraw', '1.1.0']);
    expect(await node.updater(['once'])).toMatchObject({ code: 0 });
    expect(node.current()).toContain('1.0.0-');
  });

  it('finishes what a crash cut off, wherever it was, with one manifest', async () => {
    for (const point of ['ship-next-written', 'ship-signature-written', 'ship-index-written']) {
      const site = await shipped(['1.0.0', '1.1.0']);
      const killed = await site.release(['withdraw', '1.1.0'], {
        env: { LANDFALL_CRASH_AT: point },
      });
      expect(killed.signal, point).toBe('SIGKILL');
      expect(await site.release(['withdraw', '1.1.0']), point).toMatchObject({ code: 0 });
      expectComplete(site, '1.0.0');
      expect(manifestOn(site.mirror('oslo')), point).toMatchObject({
        sequence: 3,
        withdrawn: ['1.1.0'],
      });
      const folder = join(site.directory, '.release/1.0.0');
      expect(existsSync(join(folder, 'manifest.json.next')), point).toBe(false);
      expect(readFileSync(join(folder, 'manifest.json'))).toEqual(
        readFileSync(join(site.mirror('oslo'), 'releases/manifest.json')),
      );
      const again = await site.release(['withdraw', '1.1.0']);
      expect(again.stdout).toContain('everything is already there');
      expect(manifestOn(site.mirror('oslo'))?.sequence).toBe(3);
    }
  });

  it('goes back to what is named, also where it was begun with another release', async () => {
    const site = await shipped(['1.0.0', '1.1.0', '1.2.0']);
    const env = { LANDFALL_CRASH_AT: 'ship-index-prepared' };
    expect(await site.release(['withdraw', '1.2.0'], { env })).toMatchObject({ signal: 'SIGKILL' });
    const withdraw = ['withdraw', '1.2.0', '--to'];
    expect(await site.release([...withdraw, '1.0.0'])).toMatchObject({ code: 0 });
    expectComplete(site, '1.0.0');
    expect(manifestOn(site.mirror('oslo'))).toMatchObject({ sequence: 5, withdrawn: ['1.2.0'] });
    const late = await site.release([...withdraw, '1.1.0']);
    expect(late.code).toBe(3);
    expect(late.stderr).toContain('1.2.0 is withdrawn already, and the channel has 1.0.0 now');
    expect(await site.release([...withdraw, '1.0.0'])).toMatchObject({ code: 0 });
    expect(await site.release(['ship', '1.0.0'])).toMatchObject({ code: 0 });
    expect(await site.release(['verify'])).toMatchObject({ code: 0 });
  });

  it('completes a mirror that was down with the command it names', async () => {
    const site = await shipped(['1.0.0', '1.1.0']);
    const plugIn = unplug(site.mirror('lima'));
    const partial = await site.release(['withdraw', '1.1.0']);
    expect(partial.code).toBe(4);
    expect(partial.stdout).toContain('this completes the rest: release ship 1.0.0');
    plugIn();
    expect(await site.release(['ship', '1.0.0'])).toMatchObject({ code: 0 });
    expectComplete(site, '1.0.0');
  });

  it('passes over releases that were withdrawn or never reached a mirror', async () => {
    const site = await shipped(['1.0.0', '1.1.0']);
    await site.release(['withdraw', '1.1.0']);
    const killed = await site.release(['ship', '1.2.0'], {
      env: { LANDFALL_CRASH_AT: 'ship-signed' },
    });
    expect(killed.signal).toBe('SIGKILL');
    writeWebUi(site, '1.3.0');
    expect(await site.release(['ship', '1.3.0'])).toMatchObject({ code: 0 });
    expect(await site.release(['withdraw', '1.3.0'])).toMatchObject({ code: 0 });
    expectComplete(site, '1.0.0');
    expect(manifestOn(site.mirror('oslo'))?.withdrawn).toEqual(['1.1.0', '1.3.0']);
  });

  it('changes nothing with --dry-run', async () => {
    const site = await shipped(['1.0.0', '1.1.0']);
    const before = [filesOf(site.mirror('oslo')), filesOf(site.directory)];
    const dry = await site.release(['withdraw', '1.1.0', '--dry-run']);
    expect(dry.code).toBe(0);
    expect(dry.stdout).toContain('would ship archipelago 1.0.0 (channel stable, sequence 3)');
    expect(dry.stdout).toContain('oslo: would upload 0 of 2 artifacts');
    expect([filesOf(site.mirror('oslo')), filesOf(site.directory)]).toEqual(before);
  });
});

describe('withdrawing an earlier release', () => {
  it('keeps the current one, and forbids the version for good', async () => {
    const site = await shipped(['1.0.0', '1.1.0']);
    expect(await site.release(['withdraw', '1.0.0'])).toMatchObject({ code: 0 });
    expectComplete(site, '1.1.0');
    expect(manifestOn(site.mirror('kyoto'))).toMatchObject({ sequence: 3, withdrawn: ['1.0.0'] });
    expect(manifestOn(site.mirror('kyoto'))).not.toHaveProperty('withdrawnReasons');
    const refused = await site.release(['ship', '1.0.0']);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain("release 1.0.0 was withdrawn from channel 'stable'");
    writeWebUi(site, '1.2.0');
    expect(await site.release(['ship', '1.2.0'])).toMatchObject({ code: 0 });
    expect(manifestOn(site.mirror('oslo'))?.withdrawn).toEqual(['1.0.0']);
  });

  it('refuses a version that the channel never had', async () => {
    const site = await shipped(['1.0.0']);
    const refused = await site.release(['withdraw', '2.0.0']);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("channel 'stable' never had 2.0.0");
    expect(manifestOn(site.mirror('oslo'))?.sequence).toBe(1);
  });
});

describe('without anything to go back to', () => {
  it('refuses, and says what to do', async () => {
    const site = await shipped(['1.0.0']);
    const refused = await site.release(['withdraw', '1.0.0']);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain('1.0.0 is the current release, and there is none to go back');
    expect(refused.stderr).toContain('ship a repaired, newer version');
    expect(manifestOn(site.mirror('oslo'))?.version).toBe('1.0.0');
  });

  it('takes what is named when nobody can tell whether it was published', async () => {
    const site = await shipped(['1.0.0', '1.0.1', '1.1.0']);
    for (const gone of ['1.0.1', '1.0.1.json', '1.0.0.json']) {
      rmSync(join(site.directory, '.release', gone), { recursive: true });
    }
    // As if the mirrors were from before they kept what they served.
    for (const { directory } of site.mirrors) rmSync(historyOf(directory), { recursive: true });
    const refused = await site.release(['withdraw', '1.1.0']);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain("name it: 'release withdraw 1.1.0 --to 1.0.0'");
    const named = await site.release(['withdraw', '1.1.0', '--to', '1.0.0']);
    expect(named.code).toBe(0);
    expectComplete(site, '1.0.0');
  });

  it('finds it on a mirror that lags', async () => {
    const site = await shipped(['1.0.0']);
    const plugIn = unplug(site.mirror('lima'));
    writeWebUi(site, '1.1.0');
    await site.release(['ship', '1.1.0']);
    plugIn();
    rmSync(join(site.directory, '.release'), { recursive: true });
    expect(await site.release(['withdraw', '1.1.0'])).toMatchObject({ code: 0 });
    for (const { directory } of site.mirrors) {
      expect(manifestOn(directory)).toMatchObject({ version: '1.0.0', sequence: 3 });
    }
  });

  it('finds what folders kept, on another machine; audit follows it, prune leaves what it needs', async () => {
    const site = await shipped(['1.0.0', '1.1.0']);
    expect(await site.release(['renew'])).toMatchObject({ code: 0 });
    const mirrors = (...args: string[]): Promise<Outcome> =>
      runCommand('mirrors', args, { cwd: site.directory });
    // The version to go back to is two manifests away, and not among the newest.
    expect(await mirrors('prune', '--keep', '1')).toMatchObject({ code: 0 });
    expect(await mirrors('audit')).toMatchObject({ code: 0 });
    rmSync(join(site.directory, '.release'), { recursive: true });
    const [first = '', ...signatures] = readdirSync(historyOf(site.mirror('lima'))).toSorted();
    expect(first).toMatch(/^1-[0-9a-f]{12}\.json$/);
    expect(signatures[0]).toBe(`${first}.minisig`);
    writeFileSync(join(historyOf(site.mirror('lima')), first), '{}');
    const audit = await mirrors('audit', '--json');
    expect(JSON.parse(audit.stdout)).toMatchObject({
      findings: [{ mirror: 'lima', code: 'CHAIN_BROKEN' }],
    });
    expect(await site.release(['withdraw', '1.1.0'])).toMatchObject({ code: 0 });
    for (const { directory } of site.mirrors) {
      expect(manifestOn(directory)).toMatchObject({ version: '1.0.0', withdrawn: ['1.1.0'] });
    }
    expect(await site.release(['verify'])).toMatchObject({ code: 0 });
  });

  it.each(['mirror-history-kept', 'mirror-index-file-written#3', 'mirror-index-file-written#4'])(
    'finds it although the ship that replaced it was killed at %s',
    async (point) => {
      const site = await shipped(['1.0.0'], { mirrors: ['oslo'] });
      writeWebUi(site, '1.1.0');
      const env = { LANDFALL_CRASH_AT: point };
      expect(await site.release(['ship', '1.1.0'], { env })).toMatchObject({ signal: 'SIGKILL' });
      expect(await site.release(['ship', '1.1.0'])).toMatchObject({ code: 0 });
      rmSync(join(site.directory, '.release'), { recursive: true });
      expect(await site.release(['withdraw', '1.1.0'])).toMatchObject({ code: 0 });
      expectComplete(site, '1.0.0');
    },
  );

  it('finds it in the history of the index, on another machine', async () => {
    const site = await useGiteaProject(['north', 'south']);
    for (const version of ['1.0.0', '1.1.0']) {
      writeWebUi(site.project, version);
      expect(await site.release(['ship', version])).toMatchObject({ code: 0 });
    }
    const workspace = join(site.project.directory, '.release');
    rmSync(workspace, { recursive: true });
    const dry = await site.release(['withdraw', '1.1.0', '--dry-run']);
    expect(dry.stdout).toContain('would ship archipelago 1.0.0 (channel stable, sequence 3)');
    expect(existsSync(workspace)).toBe(false);
    expect(await site.release(['withdraw', '1.1.0'])).toMatchObject({ code: 0 });
    for (const { url } of site.servers.values()) {
      const index = `${url}/isles/archipelago/raw/branch/main/releases/manifest.json`;
      expect(await (await fetch(index)).json()).toMatchObject({
        version: '1.0.0',
        withdrawn: ['1.1.0'],
      });
    }
    expect(await site.release(['verify'])).toMatchObject({ code: 0 });
  });
});

function onlyWebUi(config: Parameters<NonNullable<ProjectOptions['configure']>>[0]): void {
  config.components = config.components.slice(0, 1);
}
