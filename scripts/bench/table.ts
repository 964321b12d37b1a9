/** Figures as rows of text, for a terminal and for Markdown. */
import { formatBytes, formatTable } from '@landfall/cli';
import { type Figure, type Goal, verdictOf, type What } from './figures.ts';

const HEADER = ['STEP', '', 'OURS', 'PEER', 'PEER’S', 'RATIO', 'CPU', 'GOAL', ''];

/** Lines for a terminal: a header and a line for each figure; notes below. */
export function tableOf(figures: readonly Figure[]): string[] {
  return [...formatTable(HEADER, figures.map(cellsOf)), ...notesOf(figures)];
}

/** The same as a table of Markdown. */
export function markdownOf(figures: readonly Figure[]): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const header = ['step', 'what', 'ours', 'peer', 'peer’s', 'ratio', 'CPU', 'goal', ''];
  const notes = notesOf(figures).map((note) => `- ${note}`);
  return [
    line(header),
    line(header.map(() => '---')),
    ...figures.map((figure) => line(cellsOf(figure))),
    ...(notes.length === 0 ? [] : ['', ...notes]),
  ];
}

function cellsOf(figure: Figure): string[] {
  const { step, what, ours, peer, theirs, ratio, cpu, goal } = figure;
  return [
    step,
    what,
    valueOf(what, ours),
    peer,
    valueOf(what, theirs),
    ratioText(ratio),
    ratioText(cpu),
    goal === undefined ? '' : goalText(what, goal),
    verdictOf(figure),
  ];
}

function notesOf(figures: readonly Figure[]): string[] {
  return figures.flatMap(({ step, what, note }) =>
    note === undefined ? [] : [`${step}, ${what}: ${note}`],
  );
}

/** `≤ 1.10×`, `≤ 256 MiB` */
export function goalText(what: What, { of, atMost }: Goal): string {
  return `≤ ${of === 'ratio' ? ratioText(atMost) : valueOf(what, atMost)}`;
}

/** A figure in the unit of what it is of; `–` for none. */
export function valueOf(what: What, value: number | undefined): string {
  if (value === undefined) return '–';
  if (what === 'time' || what === 'make time') return timeText(value);
  if (what === 'requests') return String(Math.round(value));
  return what === 'growth' ? value.toFixed(2) : formatBytes(value);
}

/** `1.10×`; `–` for none. */
export function ratioText(value: number | undefined): string {
  return value === undefined ? '–' : `${value.toFixed(value < 0.1 ? 3 : 2)}×`;
}

/** Three digits say as much as was measured. */
function timeText(ms: number): string {
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}
