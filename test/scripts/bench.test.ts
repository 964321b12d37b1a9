/** The arithmetic of the benches, and how figures are told: no clock, no other program. */
import { expect, it } from 'vitest';
import { figureOf, plainFigure, verdictOf } from '../../scripts/bench/figures.ts';
import { compare, median, pairedRatio, type Run } from '../../scripts/bench/measure.ts';
import { nearestTo } from '../../scripts/bench/packages.ts';
import { slopeRatio } from '../../scripts/bench/groups/growth.ts';
import { withPart } from '../../scripts/bench/page.ts';
import { plotOf } from '../../scripts/bench/plot.ts';
import { markdownOf, ratioText, tableOf } from '../../scripts/bench/table.ts';

const run = (wall: number, cpu: number, memory = 0): Run => ({ wall, cpu, memory, more: {} });
const runs = new Map([
  ['ours', [run(900, 10, 300), run(1300, 30, 100), run(2000, 20, 200)]],
  ['theirs', [run(1000, 20, 10), run(1000, 20, 10), run(4000, 20, 10)]],
]);
const time = figureOf(runs, {
  step: 'build',
  what: 'time',
  ours: 'ours',
  peer: 'theirs',
  goal: { of: 'ratio', atMost: 0.9 },
});

it('takes medians, and ratios of the runs of one round', () => {
  expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([])]).toEqual([2, 2.5, Number.NaN]);
  // The ratio of the medians would be 1.3.
  expect(pairedRatio([900, 1300, 2000], [1000, 1000, 4000])).toBe(0.9);
  // Twice the price for each after a start of 100.
  expect(slopeRatio([1, 10, 100], [101, 110, 290])).toBe(2);
  expect(slopeRatio([1, 10, 100], [10, 9, 290])).toBeNaN();
  expect(time).toMatchObject({ ours: 1300, theirs: 1000, ratio: 0.9, cpu: 1 });
});

it('tells goals that are met from those that are not, not built, or not measured', () => {
  const memory = { step: 'build', what: 'memory', ours: 'ours', peer: 'theirs' } as const;
  const over = figureOf(runs, { ...memory, goal: { of: 'ours', atMost: 199 } });
  const alone = figureOf(runs, { ...memory, peer: 'rauc', goal: { of: 'ratio', atMost: 1 } });
  const size = plainFigure({ step: 'one', what: 'size', peer: 'node', ours: 50, theirs: 100 });
  const figures = [time, over, alone, size];
  expect(figures.map(verdictOf)).toEqual(['met', 'NOT MET', 'not measured', '']);
  expect(tableOf([...figures, { ...size, note: 'of another year' }])).toEqual([
    'STEP           OURS    PEER    PEER’S  RATIO   CPU    GOAL',
    'build  time    1.30 s  theirs  1.00 s  0.90×   1.00×  ≤ 0.90×  met',
    'build  memory  200 B   theirs  10 B    20.00×  –      ≤ 199 B  NOT MET',
    'build  memory  200 B   rauc    –       –       –      ≤ 1.00×  not measured',
    'one    size    50 B    node    100 B   0.50×   –',
    'one    size    50 B    node    100 B   0.50×   –',
    'build, time: rounds differed widely; the ratio is the median of theirs',
    'one, size: of another year',
  ]);
  const goal = { of: 'ratio', atMost: 0.13 } as const;
  const near = [0.1302, 0.1299, 0.1351].map((ours) =>
    plainFigure({ step: 'one', what: 'time', peer: 'tar', ours, theirs: 1, goal }),
  );
  expect(near.map((figure) => [ratioText(figure.ratio, 0.13), verdictOf(figure)])).toEqual([
    ['0.130×', 'NOT MET'],
    ['0.13×', 'met'],
    ['0.14×', 'NOT MET'],
  ]);
  expect(markdownOf([{ ...time, peer: 'tar | zstd' }])[2]).toBe(
    '| build | time | 1.30 s | tar \\| zstd | 1.00 s | 0.90× | 1.00× | ≤ 0.90× | met |',
  );
  const plot = plotOf('a & b', figures) ?? '';
  // A bar for each figure that has a ratio, and a frame.
  expect(plot.match(/<rect/g)).toHaveLength(4);
  expect(plot).toContain('a &amp; b');
  expect(plotOf('none', [alone])).toBeUndefined();
});

it('runs everybody in every round, in turns, after once for the caches', async () => {
  const order: string[] = [];
  const contender = (name: string) => ({
    name,
    argv: ['true'],
    prepare: () => void order.push(name),
    inspect: () => ({ size: order.length }),
  });
  const found = await compare(['a', 'b', 'c'].map(contender), { rounds: 2 });
  expect(order.join('')).toBe('abcabcbca');
  expect(found.get('b')?.map(({ more }) => more['size'])).toEqual([5, 7]);
  const failing = compare([{ name: 'liar', argv: ['sh', '-c', 'echo no >&2; exit 3'] }], {
    rounds: 1,
  });
  await expect(failing).rejects.toThrow("'liar' ended with 3: no");
});

it('writes a part of the page and keeps the rest; takes the nearest version for one that is gone', () => {
  const page = 'a\n<!-- bench: x -->\nold\n<!-- end: x -->\nb\n';
  expect(withPart(page, 'x', 'new')).toBe('a\n<!-- bench: x -->\n\nnew\n\n<!-- end: x -->\nb\n');
  expect(() => withPart(page, 'y', 'new')).toThrow('<!-- bench: y -->');
  const published = ['2.0.0', '1.10.0', '1.9.0'];
  expect(['1.11.0', '1.0.0'].map((each) => nearestTo(each, published))).toEqual([
    '1.10.0',
    '1.9.0',
  ]);
});
