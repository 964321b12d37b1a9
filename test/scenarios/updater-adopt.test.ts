/**
 * Nodes as they are in the field, taken into the layout with a real nginx in
 * front of them, and back: no request fails, and a kill anywhere leaves a node
 * that serves.
 */
import { chmodSync, cpSync, existsSync, lstatSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { visited } from '../harness/chaos.ts';
import { inTheField, isLink } from '../harness/field-node.ts';
import { startLoad } from '../harness/load.ts';
import { exampleWebUi } from '../harness/release-factory.ts';

describe('adopt', () => {
  it('takes a node into the layout and back under load, without a failed request', async () => {
    const { node, nginx, ui, ship, visit } = await inTheField();
    chmodSync(ui, 0o775);
    chmodSync(join(ui, 'index.html'), 0o664);
    cpSync(ui, `${ui}.bak`, { recursive: true });
    const { 'index.html': page = '', 'assets/app.js': script = '' } = exampleWebUi('1.0.0');
    const { 'index.html': newPage = '', 'assets/app.js': newScript = '' } = exampleWebUi('1.1.0');
    const load = startLoad({
      url: nginx.url,
      connections: 4,
      bodies: { '/': [page, newPage], '/assets/app.js': [script, newScript] },
    });
    await load.started;

    const plan = await node.updater(['adopt', '--dry-run']);
    expect(plan.code, plan.stderr).toBe(0);
    expect(plan.stdout).toContain('would be adopted as 1.0.0-');
    expect(plan.stdout).toContain('it is release 1.0.0, byte for byte');
    expect(plan.stdout).toContain("web-ui.bak' lies beside it and is left there");
    expect(existsSync(join(node.root, 'deployments'))).toBe(false);

    const adopted = await node.updater(['adopt']);
    expect(adopted.code, adopted.stderr).toBe(0);
    expect(adopted.stdout).toContain('1.0.0 runs: ');
    expect(isLink(ui)).toBe(true);
    expect(node.stateName()).toBe('committed');
    expect(node.floor(), 'what is adopted raises no floor').toBe(0);
    expect(existsSync(`${ui}.bak/index.html`)).toBe(true);
    expect((await node.updater(['adopt'])).code).toBe(3);
    expect((await node.updater(['once'])).stdout).toContain('1.0.0 runs already');

    await ship('1.1.0');
    expect((await node.updater(['once'])).code).toBe(0);
    expect((await visit()).body).toBe(newPage);
    const tooLate = await node.updater(['adopt', '--undo']);
    expect(tooLate.code).toBe(3);
    expect(tooLate.stderr).toContain("'updater rollback --to 1.0.0");
    expect((await node.updater(['rollback', '--reason', 'x'])).code).toBe(0);
    expect((await visit()).body).toBe(page);

    const undone = await node.updater(['adopt', '--undo']);
    expect(undone.code, undone.stderr).toBe(0);
    expect(isLink(ui)).toBe(false);
    expect(lstatSync(ui).mode & 0o777).toBe(0o775);
    expect(existsSync(join(node.root, 'current'))).toBe(false);
    expect(existsSync(`${ui}.before-landfall`)).toBe(false);
    const { requests, failures } = await load.stop();
    expect(failures).toEqual({});
    expect(requests).toBeGreaterThan(100);
    console.log(`${requests} requests during adopt, update, rollback and undo; none failed`);
  });

  it('killed anywhere serves all the time, goes on, or is undone', async () => {
    const field = await inTheField();
    const { node, folder, ui, visit } = field;
    const page = exampleWebUi('1.0.0')['index.html'];
    const snapshot = join(folder, 'snapshot');
    for (const each of [node.root, node.state]) {
      cpSync(each, join(snapshot, basename(each)), { recursive: true, verbatimSymlinks: true });
    }
    const restore = (): void => {
      for (const each of [node.root, node.state]) {
        rmSync(each, { recursive: true });
        cpSync(join(snapshot, basename(each)), each, { recursive: true, verbatimSymlinks: true });
      }
    };
    const trace = async (name: string, args: string[]): Promise<string[]> => {
      const file = join(folder, name);
      const done = await node.updater(args, { env: { LANDFALL_CRASH_TRACE: file } });
      expect(done.code, done.stderr).toBe(0);
      const points = readFileSync(file, 'utf8').trimEnd().split('\n');
      return points.filter((point) => point.startsWith('adopt-'));
    };
    const forth = await trace('forth', ['adopt']);
    expect(forth.join()).toMatch(
      /copied.*laid-out.*recorded.*current.*linked.*exchanged.*committed/,
    );
    const back = await trace('back', ['adopt', '--undo']);
    expect(back.join()).toMatch(/exchanged-back.*undone.*forgotten/);
    const moments = [
      ...forth.map((point) => ({ point, args: ['adopt'] })),
      ...back.map((point) => ({ point, args: ['adopt', '--undo'] })),
    ];
    for (const { point, args } of visited('crash points of adopt', moments, 2)) {
      for (const then of [['adopt'], ['adopt', '--undo']]) {
        const what = `${args.join(' ')} killed at ${point}, then ${then.join(' ')}`;
        restore();
        if (args.length > 1) await node.updater(['adopt']);
        const killed = await node.updater(args, { env: { LANDFALL_CRASH_AT: point } });
        expect(killed.signal, what).toBe('SIGKILL');
        expect(await visit(), what).toEqual({ status: 200, body: page });
        const status = await node.updater(['verify']);
        expect([0, 1], `${what}: ${status.stderr}`).toContain(status.code);
        const next = await node.updater(then);
        const isOver = point.startsWith('adopt-committed') && then.length === 1;
        expect(next.code, `${what}: ${next.stderr}`).toBe(isOver ? 3 : 0);
        expect(await visit(), what).toEqual({ status: 200, body: page });
        expect(isLink(ui), what).toBe(then.length === 1);
        expect(node.stateName() === 'committed', what).toBe(then.length === 1);
      }
    }
  });

  it('heals a root of 0700, that nobody could see', async () => {
    const { node, ui, visit } = await inTheField();
    chmodSync(ui, 0o700);
    expect((await visit()).status).toBe(403);
    const adopted = await node.updater(['adopt']);
    expect(adopted.code, adopted.stderr).toBe(0);
    expect(adopted.stderr).toContain('drwx------ (0700) on disk, adopted as drwxr-xr-x (0755)');
    expect((await visit()).status).toBe(200);
  });
});
