/** A node that is taken into the layout, or back, and killed anywhere on the way: it serves all the time. */
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { visited } from '../harness/chaos.ts';
import { inTheField, isLink } from '../harness/field-node.ts';
import { exampleWebUi } from '../harness/release-factory.ts';

describe('adopt', () => {
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
});
