/**
 * What is not the release's fault, told with the real command: nothing flips to
 * and fro, and what is tried again is tried after growing waits.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startCommand } from '../harness/command.ts';
import type { TestNode } from '../harness/node.ts';
import { makeWorld } from '../harness/world.ts';

/** Makes every wait as old as it was long. */
function skipWaits(node: TestNode): void {
  const file = join(node.state, 'attempts.json');
  const { attempts } = JSON.parse(readFileSync(file, 'utf8')) as { attempts: { due: number }[] };
  for (const each of attempts) each.due = 0;
  writeFileSync(file, JSON.stringify({ schema: 1, attempts }));
}

describe('an update', () => {
  it('whose old version fails too is degraded: the environment is broken, nothing flips to and fro', async () => {
    const { node, ship } = await makeWorld({
      tables: ['[run]', 'interval = "50ms"', 'jitter = "0s"'],
    });
    const good = await ship('1.0.0');
    await node.updater(['apply']);
    const bad = await ship('1.1.0');
    let broken = false;
    node.web.fault = ({ target }) => {
      broken ||= target.includes('/1.1.0-');
      return broken ? { status: 503 } : undefined;
    };
    const outcome = await node.updater(['apply']);
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toContain('degraded: 1.0.0 runs and does not pass');
    expect(node.stateName()).toBe('degraded');

    const ticks = startCommand('updater', ['run', '--config', node.config]);
    const told = (words: string): number => ticks.output().stderr.split(words).length - 1;
    await expect
      .poll(() => told('neither 1.1.0 nor 1.0.0 passed here'), { timeout: 30_000 })
      .toBeGreaterThanOrEqual(10);
    ticks.child.kill();
    expect((await ticks.done).code).toBe(0);
    expect(told('probing 1.0.0 again'), 'the first tick probes, then it waits').toBe(1);
    expect((await node.updater(['verify'])).code, 'verify never waits').toBe(1);
    expect(node.current()).toBe(good.deploymentId);
    const since = node.journal().findLastIndex((line) => line['event'] === 'activate');
    const switches = node
      .journal()
      .slice(since)
      .filter((line) => line['effect'] === 'switch');
    expect(switches.map((line) => line['deployment'])).toStrictEqual([
      bad.deploymentId,
      good.deploymentId,
    ]);
    expect(node.quarantined(), 'it was not the release').toStrictEqual([]);
    expect(node.read('attempts.json')).toMatchObject({
      attempts: [
        { of: 'install', version: '1.1.0', count: 1, wait: 60_000 },
        { of: 'probe', version: '1.0.0', count: 2, wait: 60_000 },
      ],
    });

    node.web.fault = () => undefined;
    expect((await node.updater(['verify'])).code).toBe(0);
    expect(node.stateName()).toBe('rolled-back');
    const waiting = await node.updater(['check']);
    expect(waiting.code).toBe(0);
    expect(waiting.stdout).toMatch(/not installed: 1\.1\.0 is tried again at .*found 503/);
    skipWaits(node);
    expect((await node.updater(['once'])).code).toBe(0);
    expect(node.current()).toBe(bad.deploymentId);
    expect(node.read('attempts.json')).toMatchObject({ attempts: [] });
  });

  it('that cannot be fetched is tried again after growing waits, and at once when a person asks', async () => {
    const { node, ship, mirror } = await makeWorld();
    await ship('1.0.0');
    const lost = join(mirror, 'releases/download');
    renameSync(lost, `${lost}.gone`);
    const waits = (): unknown => node.read('attempts.json');
    for (const [count, wait] of [
      [1, 60_000],
      [2, 120_000],
    ]) {
      const failed = await node.updater(['once']);
      expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('no mirror has') });
      expect(waits()).toMatchObject({ attempts: [{ version: '1.0.0', count, wait }] });
      const declined = (await node.json(['once'])) as { decline: unknown };
      expect(declined.decline).toMatchObject({ code: 'waiting' });
      if (count === 1) skipWaits(node);
    }
    expect((await node.updater(['status'])).stdout).toMatch(
      /not installed: 1\.0\.0 is tried again/,
    );
    expect((await node.updater(['history'])).stdout).toMatch(/waiting +1\.0\.0 +until .*no mirror/);
    renameSync(`${lost}.gone`, lost);
    expect((await node.updater(['once'])).stdout).toContain('not installed');
    expect((await node.updater(['apply'])).code).toBe(0);
    expect(waits()).toMatchObject({ attempts: [] });
  });
});
