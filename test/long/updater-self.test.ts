/** The updater is updated as a component like any other: only by one that proved itself. */
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs';
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { visited } from '../harness/chaos.ts';
import { launcherOf, runCommand } from '../harness/command.ts';
import { exampleWebUi } from '../harness/release-factory.ts';
import type { TestNode } from '../harness/node.ts';
import { loadConfig } from '../../updater/config.ts';
import { systemdFiles } from '../../updater/units/systemd.ts';
import { makeUpdater, writeProgram } from '../harness/updater-file.ts';
import { makeWorld, type World } from '../harness/world.ts';

const POINTS = [
  'updater-proof-begun',
  'updater-proved',
  'updater-previous-kept',
  'updater-took-over',
];

interface Scene extends World {
  /** Ships a release with `file` as the updater, and installs it by the updater that is linked. */
  bring: (version: string, file: string, env?: Record<string, string>) => Promise<string>;
  /** Runs the updater that is linked. */
  linked: (...args: string[]) => Promise<{ code: number | null; stderr: string }>;
  link: () => string;
  previous: () => string | undefined;
}

/** A node whose updater was installed by hand, as docs/operators.md says. */
async function makeScene(timeout = '60s'): Promise<Scene> {
  const world = await makeWorld({
    top: ['probation = "0s"', 'keep = 1'],
    tables: ['[updater]', 'component = "updater"', `proof_timeout = "${timeout}"`],
  });
  const { node, ship } = world;
  const launcher = join(node.root, 'updater');
  const previous = join(node.root, 'updater.previous');
  mkdirSync(node.root, { recursive: true });
  symlinkSync(launcherOf('updater'), launcher);
  const linked: Scene['linked'] = (...args) => node.updater(args, { launcher });
  return {
    ...world,
    linked,
    link: () => readlinkSync(launcher),
    previous: () => lstatSync(previous, { throwIfNoEntry: false }) && readlinkSync(previous),
    bring: async (version, file, env = {}) => {
      await ship(version, { webUi: exampleWebUi(version), files: { updater: file } });
      const { stderr } = await node.updater(['apply'], { launcher, env, timeoutMs: 120_000 });
      return stderr;
    },
  };
}

/** Does what the unit does when a start fails. */
function failStart(node: TestNode): void {
  const config = loadConfig(node.config);
  const unit = systemdFiles(config, '/updater').find((each) =>
    each.path.endsWith('/updater.service'),
  );
  const line = unit?.text.split('\n').find((each) => each.startsWith('ExecStopPost='));
  const command = line?.replace('ExecStopPost=-', '').replaceAll('$$', '$') ?? 'false';
  execFileSync('sh', ['-c', command], { env: { ...process.env, SERVICE_RESULT: 'exit-code' } });
}

describe('a new updater', () => {
  it('takes over when it proved itself, and the old one goes when it did its work', async () => {
    const scene = await makeScene();
    const { node, bring, link, previous, linked } = scene;
    await bring('1.0.0', await makeUpdater('one'));
    const first = `deployments/${node.current()}/updater`;
    expect(link()).toBe(first);
    expect(previous()).toBe(launcherOf('updater'));
    expect((await linked('verify')).code).toBe(0);
    expect(previous()).toBeUndefined();
    expect(readdirSync(node.state).filter((name) => name.startsWith('rehearsal'))).toEqual([]);

    // The same bytes again: only the link moves. Other releases: it stays where it is, and on the disk.
    await bring('1.1.0', await makeUpdater('one'));
    const second = `deployments/${node.current()}/updater`;
    expect(link()).toBe(second);
    expect(previous()).toBeUndefined();
    for (const version of ['1.2.0', '1.4.0']) await scene.ship(version).then(() => linked('apply'));
    expect(node.page()).toContain('1.4.0');
    expect(link()).toBe(second);
    expect(existsSync(join(node.root, second))).toBe(true);

    // It is not switched with `current`.
    await bring('1.5.0', await makeUpdater('two'));
    await linked('once');
    const third = `deployments/${node.current()}/updater`;
    expect(link()).toBe(third);
    await linked('rollback', '--reason', 'test');
    expect(node.page()).toContain('1.4.0');
    expect(link()).toBe(third);
    expect((await linked('once')).code).toBe(3);
    expect(link()).toBe(third);
  });

  it('stays out when it does not prove itself, is told of, and is not tried again', async () => {
    const { node, bring, link, linked } = await makeScene();
    await bring('1.0.0', await makeUpdater('one'));
    await linked('once');
    const good = link();
    const ran = join(node.folder, 'ran');
    const script = (text: string): string => `#!/bin/sh\necho >>'${ran}'\n${text}\n`;
    const bad: [name: string, file: string, reason: RegExp][] = [
      ['says nothing', writeProgram(script('exit 0')), /ended with 0 and gave no proof/],
      ['lies', writeProgram(script(`echo '{"selfCheck":1}'`)), /gave no proof/],
      ['floods', writeProgram(script('exec yes')), /more than a proof/],
      ['does not start', writeProgram(script('exit 127')), /it ended with 127/],
      [
        'knows no state',
        await makeUpdater('stateless', { '"state.json"': '"other.json"' }),
        /'state': expected "committed", found "idle"/,
      ],
      [
        'does not go back',
        await makeUpdater('stuck', { 'to: state.back': 'to: state.failed' }),
        /the rehearsal of rolled-back failed|does not|expected/,
      ],
    ];
    for (const [index, [name, file, reason]] of visited('bad updaters', bad, 2).entries()) {
      const told = await bring(`2.${index}.0`, file);
      expect(told, name).toMatch(reason);
      expect(link(), name).toBe(good);
      const status = (await node.json(['status'])) as { updater: { refused: { reason: string } } };
      expect(status.updater.refused.reason, name).toMatch(reason);
      const runs = existsSync(ran) ? readFileSync(ran, 'utf8') : '';
      expect((await linked('once')).code, name).toBe(0);
      expect(existsSync(ran) ? readFileSync(ran, 'utf8') : '', name).toBe(runs);
    }
    expect(readFileSync(join(node.state, 'journal.jsonl'), 'utf8')).toContain('"updater":"failed"');
    const history = (await node.updater(['history', '--limit', '100'])).stdout;
    expect(history).toMatch(/updater took over +1\.0\.0-\w+ +version /);
    expect(history).toMatch(/updater confirmed/);
    expect(history).toMatch(/updater stays out +2\.\d\.0-\w+ +\S/);
    // For another machine: that is known before it is on the disk.
    const elf = readFileSync(process.execPath).subarray(0, 4096);
    elf.writeUInt16LE(0xb7, 18);
    expect(await bring('2.9.0', writeProgram(elf))).toContain('is a program for aarch64');
    expect(link()).toBe(good);
    // New bytes are taken.
    await bring('3.0.0', await makeUpdater('mended'));
    expect(link()).toBe(`deployments/${node.current()}/updater`);
  });

  it('finds the configuration also where that was named by a relative path', async () => {
    const { node, ship, link } = await makeScene();
    await ship('1.0.0', {
      webUi: exampleWebUi('1.0.0'),
      files: { updater: await makeUpdater('one') },
    });
    const launcher = join(node.root, 'updater');
    const args = ['apply', '--config', 'updater.toml'];
    const { code, stderr } = await runCommand('updater', args, { launcher, cwd: node.folder });
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('the updater of 1.0.0 takes over');
    expect(link()).toBe(`deployments/${node.current()}/updater`);
  });

  it('that hangs is ended, with what it started', async () => {
    const { bring, link } = await makeScene('1s');
    const file = writeProgram('#!/bin/sh\nsleep 61.7 & wait\n');
    expect(await bring('1.0.0', file)).toMatch(/stays out: no proof within 1.0 s/);
    expect(link()).toBe(launcherOf('updater'));
    await expect
      .poll(() => execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }))
      .not.toContain('sleep 61.7');
  });

  it('that cannot reach the mirrors is tried again later', async () => {
    const { node, bring, link, linked } = await makeScene();
    const deaf = await makeUpdater('deaf', { '"releases/manifest.json"': '"releases/none.json"' });
    expect(await bring('1.0.0', deaf)).toMatch(/stays out: no mirror/);
    expect(link()).toBe(launcherOf('updater'));
    expect((await linked('once')).stderr).toMatch(/stays out: no mirror/);
    expect(node.read('updater.json')).toMatchObject({ candidates: [{ tries: 0 }] });
  });

  it.each([
    ['NO_SPACE', 'not enough space', 0],
    ['WRITE_FAILED', 'cannot write', 0],
  ])('that says %s is tried again: the disk is to blame', async (code, message, tries) => {
    const { node, bring, link, linked } = await makeScene();
    const said = JSON.stringify({ error: { code, message } });
    await bring('1.0.0', writeProgram(`#!/bin/sh\necho '${said}'\nexit 1\n`));
    for (let time = 0; time < 4; time += 1) {
      expect((await linked('once')).stderr).toContain(`stays out: ${message}`);
      expect(link()).toBe(launcherOf('updater'));
      expect(node.read('updater.json')).toMatchObject({ candidates: [{ tries }] });
    }
  });

  it('that took over is not put back for mirrors that do not answer', async () => {
    const { node, bring, link, previous, linked, mirror } = await makeScene();
    await bring('1.0.0', await makeUpdater('one'));
    const taken = `deployments/${node.current()}/updater`;
    expect(previous()).toBe(launcherOf('updater'));
    renameSync(mirror, `${mirror}.away`);
    expect((await linked('once')).stderr).toContain('no mirror shows a release');
    failStart(node);
    expect(link()).toBe(taken);
    expect(previous()).toBeUndefined();
  });

  it('that proved itself and does not start gives way to the one before it', async () => {
    const { node, bring, link, previous, linked } = await makeScene();
    await bring('1.0.0', await makeUpdater('one'));
    for (let time = 1; time <= 3; time += 1) {
      expect(link()).toBe(`deployments/${node.current()}/updater`);
      expect(previous()).toBe(launcherOf('updater'));
      failStart(node);
      expect(link()).toBe(launcherOf('updater'));
      await linked('once');
    }
    expect(link()).toBe(launcherOf('updater'));
    expect(await node.json(['status'])).toMatchObject({
      updater: { refused: { reason: 'it took over and did not do its work, 3 times' } },
    });
    failStart(node);
    expect(link()).toBe(launcherOf('updater'));
  });

  it.each(visited('crash points', POINTS, 2))(
    'that is cut off at %s takes over all the same',
    async (point) => {
      const { node, bring, link, previous, linked } = await makeScene();
      await bring('1.0.0', await makeUpdater('one'), { LANDFALL_CRASH_AT: point });
      expect(existsSync(join(node.root, 'updater'))).toBe(true);
      for (let round = 0; round < 2; round += 1) expect((await linked('once')).code).toBe(0);
      expect(link()).toBe(`deployments/${node.current()}/updater`);
      expect(previous()).toBeUndefined();
    },
  );
});
