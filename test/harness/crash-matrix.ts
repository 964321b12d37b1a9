/**
 * The crash matrix: which operation was met by which fault, and how the node
 * came out. Tests add rows; `crash-matrix-process.ts` puts them together.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Row {
  story: string;
  role: string;
  call: string;
  fault: string;
  /** What ran when the node had settled: what ran before the story, or another release. */
  settled: 'old' | 'new';
  /** Whether something was not as it must be. */
  bad: boolean;
  /** Time for `verify` and `once`; undefined where a stop before it had left the same. */
  ms?: number | undefined;
}

/** Keeps `rows` for the matrix, where one is asked for, and prints their counts. */
export function addToMatrix(name: string, rows: readonly Row[]): void {
  const folder = process.env['LANDFALL_MATRIX'];
  if (folder !== undefined) {
    mkdirSync(folder, { recursive: true });
    const file = `${name.replaceAll(/\W+/g, '-')}.json`;
    writeFileSync(join(folder, file), JSON.stringify(rows));
  }
  console.log(`${name}: ${cell(rows)}, ${recoveries(rows)} recoveries`);
}

/** Everything that was added to the matrix in `folder`. */
export function readMatrix(folder: string): Row[] {
  return readdirSync(folder)
    .toSorted()
    .flatMap((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Row[]);
}

/** The matrix as Markdown: by story, by kind of file and operation, and in all. */
export function describeMatrix(rows: readonly Row[]): string {
  const faults = [...new Set(rows.map(({ fault }) => fault))];
  const bad = rows.filter((row) => row.bad).length;
  return [
    ...table(
      'story',
      faults,
      Map.groupBy(rows, ({ story }) => story),
    ),
    '',
    ...table(
      'operation',
      faults,
      Map.groupBy(rows, ({ role, call }) => `${role}: ${call}`),
    ),
    '',
    `${rows.length} stops, ${recoveries(rows)} recoveries, ${bad} bad outcomes.`,
  ].join('\n');
}

function table(head: string, faults: readonly string[], groups: Map<string, Row[]>): string[] {
  const lines = [...groups.entries()]
    .toSorted(([a], [b]) => (head === 'story' ? 0 : a < b ? -1 : 1))
    .map(([name, rows]) => {
      const cells = faults.map((fault) => cell(rows.filter((row) => row.fault === fault)));
      return `| ${[name, ...cells, seconds(rows)].join(' | ')} |`;
    });
  return [
    `| ${[head, ...faults, 'seconds'].join(' | ')} |`,
    `| ${[head, ...faults, 'seconds'].map(() => '---').join(' | ')} |`,
    ...lines,
  ];
}

function cell(rows: readonly Row[]): string {
  const count = (of: (row: Row) => boolean): number => rows.filter(of).length;
  const parts = [
    [count((row) => row.settled === 'old' && !row.bad), 'old'],
    [count((row) => row.settled === 'new' && !row.bad), 'new'],
    [count((row) => row.bad), '**BAD**'],
  ].filter(([number]) => number !== 0);
  return parts.map(([number, what]) => `${number} ${what}`).join(', ') || '–';
}

function recoveries(rows: readonly Row[]): number {
  return rows.filter(({ ms }) => ms !== undefined).length;
}

/** Median and longest recovery. */
function seconds(rows: readonly Row[]): string {
  const times = rows.flatMap(({ ms }) => ms ?? []).toSorted((a, b) => a - b);
  if (times.length === 0) return '';
  const at = (index: number): string => ((times[index] ?? 0) / 1000).toFixed(1);
  return `${at(times.length >> 1)}, at most ${at(times.length - 1)}`;
}
