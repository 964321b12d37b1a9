/** Rows of what is not measured yet: they keep their place and their goals. */
import type { Group } from '../bench.ts';
import { type Figure, type Goal, notBuilt, type What } from '../figures.ts';

type Row = readonly [step: string, what: What, peer: string, goal?: Goal];

const ratio = (atMost: number): Goal => ({ of: 'ratio', atMost });

function planned(name: string, title: string, rows: readonly Row[]): Group {
  const figures: Figure[] = rows.map((row) => notBuilt(...row));
  return { name, title, run: () => Promise.resolve(figures) };
}

export const slot = planned('slot', 'Slot install', [
  ['slot install', 'time', 'rauc install', ratio(1)],
  ['slot install', 'time', 'swupdate', ratio(0.45)],
]);

export const growth = planned('growth', 'Growth', [
  ['10k and 100k files against 1k, time a file', 'growth', 'linear', { of: 'ours', atMost: 1.15 }],
  ['1 and 4 GiB against 0.1 GiB, time a byte', 'growth', 'linear', { of: 'ours', atMost: 1.15 }],
]);
