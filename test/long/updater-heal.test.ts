/** More of `updater-heal` in test/scenarios: offline, in portions, under `run`, killed. */
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { visited } from '../harness/chaos.ts';
import { startCommand } from '../harness/command.ts';
import { digest, runningNode, spoil, ui } from '../harness/heal-scene.ts';
import { exampleWebUi } from '../harness/release-factory.ts';

describe('what runs', () => {
  it('is undone at boot from this disk alone, as far as it holds the bytes', async () => {
    const { node, ship, mirror } = await runningNode({
      top: ['probation = "0s"', 'share_files = false'],
    });
    // The next release has all but the page in common with the one before it.
    await ship('1.1.0', { webUi: { ...exampleWebUi('1.0.0'), 'index.html': 'version 1.1.0' } });
    expect((await node.updater(['apply'])).code).toBe(0);
    renameSync(mirror, `${mirror}.away`);
    writeFileSync(ui(node, 'assets/app.js'), 'of a hand');
    const { size } = statSync(ui(node, 'index.html'));
    writeFileSync(ui(node, 'index.html'), 'x'.repeat(size));
    const verify = await node.updater(['verify']);
    expect(verify.code, verify.stderr).toBe(0);
    expect(readFileSync(ui(node, 'assets/app.js'), 'utf8')).toContain('console.log');
    expect(verify.stderr).toMatch(
      /not as it was installed: 'web-ui\/index.html' has other content: no copy/,
    );
    expect((await node.updater(['status'])).stdout).toContain('NOT as installed');
    const byHand = await node.updater(['heal']);
    expect(byHand.code).toBe(1);
    expect(byHand.stdout).toContain("'web-ui/index.html' has other content");
    renameSync(`${mirror}.away`, mirror);
    const healed = await node.updater(['heal']);
    expect(healed.code, healed.stderr).toBe(0);
    expect(node.page()).toBe('version 1.1.0');
    expect((await node.updater(['status'])).stdout).toContain('files        as installed');
  });

  it('is found also where a file kept its size and its times, when all is read', async () => {
    const { node } = await runningNode({ tables: ['[heal]', 'extra = "report"'] });
    await node.updater(['once']);
    const heal = node.read('heal.json') as { full: string };
    const file = ui(node, 'about/index.html');
    writeFileSync(file, readFileSync(file, 'utf8').replace('about', 'ABOUT'));
    // As a disk that forgets: nothing tells that it was changed.
    const old = new Date(Date.now() - 7 * 3_600_000).toISOString();
    const future = new Date(Date.now() + 60_000).toISOString();
    writeFileSync(join(node.state, 'heal.json'), JSON.stringify({ ...heal, checked: future }));
    expect((await node.updater(['once'])).stderr).not.toContain('restored');
    writeFileSync(
      join(node.state, 'heal.json'),
      JSON.stringify({ ...heal, checked: future, full: old }),
    );
    writeFileSync(ui(node, 'mine.txt'), 'mine');
    expect((await node.updater(['once'])).stderr).toContain("restored 'web-ui/about/index.html'");
    expect(readFileSync(ui(node, 'mine.txt'), 'utf8'), 'extra = "report"').toBe('mine');
    expect((await node.updater(['status'])).stdout).toContain('left there, as configured');
  });

  it('is undone within a moment by run, which ends cleanly', async () => {
    const { node } = await runningNode({ tables: ['[heal]', 'interval = "1s"'] });
    const run = startCommand('updater', ['run', '--config', node.config]);
    onTestFinished(() => void run.child.kill('SIGKILL'));
    const until = async (seen: () => boolean): Promise<void> => {
      for (let tries = 0; !seen(); tries += 1) {
        if (tries > 1200) throw new Error(`never seen: ${run.output().stderr}`);
        await sleep(25);
      }
    };
    await until(() => run.output().stderr.includes('next check'));
    chmodSync(ui(node), 0o700);
    rmSync(join(node.root, 'current'));
    await until(() => existsSync(ui(node)) && (statSync(ui(node)).mode & 0o7777) === 0o755);
    run.child.kill('SIGTERM');
    expect((await run.done).code).toBe(0);
    expect(run.output().stderr).toContain("current' was missing: it leads to 1.0.0-");
  });

  it('is undone also after a kill in the middle of it', async () => {
    const { node, folder } = await runningNode();
    const before = digest(node);
    spoil(node);
    const trace = join(folder, 'trace');
    await node.updater(['once'], { env: { LANDFALL_CRASH_TRACE: trace } });
    const points = readFileSync(trace, 'utf8').trimEnd().split('\n');
    const ours = points.filter((point) => /^(heal|did-heal|stage)/.test(point));
    expect(ours.join()).toMatch(/heal-restored.*heal-fetched|heal-fetched.*heal-restored/);
    for (const point of visited('crash points of healing', ours, 3)) {
      spoil(node);
      rmSync(join(node.state, 'heal.json'), { force: true });
      const killed = await node.updater(['once'], { env: { LANDFALL_CRASH_AT: point } });
      expect(killed.signal, point).toBe('SIGKILL');
      const next = await node.updater(['once']);
      expect(next.code, `${point}: ${next.stderr}`).toBe(0);
      expect(digest(node), point).toBe(before);
      const hidden = readdirSync(join(node.root, 'deployments')).filter((name) => name[0] === '.');
      expect(hidden, point).toEqual([]);
    }
  });
});

describe('what was deleted by hand', () => {
  it('all deployments: fetched again by a tick; at boot it is said that nothing is left', async () => {
    const { node } = await runningNode();
    rmSync(join(node.root, 'deployments'), { recursive: true });
    expect((await node.updater(['once'])).code).toBe(0);
    expect(node.page()).toContain('version 1.0.0');
    rmSync(join(node.root, 'deployments'), { recursive: true });
    const verify = await node.updater(['verify']);
    expect(verify.stdout).toContain('nothing is installed');
    expect(node.current()).toBeUndefined();
    expect((await node.updater(['once'])).code).toBe(0);
    expect(node.page()).toContain('version 1.0.0');
  });

  it('the one before: what runs stays, and a rollback says what is missing', async () => {
    const { node, ship } = await runningNode();
    const old = node.current() ?? '';
    await ship('1.1.0');
    await node.updater(['apply']);
    rmSync(join(node.root, 'deployments', old), { recursive: true });
    expect((await node.updater(['once'])).code).toBe(0);
    const back = await node.updater(['rollback', '--reason', 'x']);
    expect(back.code).toBe(3);
    expect(back.stdout).toContain('there is nothing to roll back to');
    expect(node.page()).toContain('version 1.1.0');
  });
});
