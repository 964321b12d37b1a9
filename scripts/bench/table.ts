/** Figures as rows of text, for a terminal and for Markdown. */
import { formatBytes, formatTable } from '@landfall/cli';
import { type Figure, type Goal, verdictOf, type What } from './figures.ts';

/** Between the ratio of the medians and the median of the ratios. */
const UNEVEN = 0.1;
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
    ratioText(ratio, goal?.of === 'ratio' ? goal.atMost : undefined),
    ratioText(cpu),
    goal === undefined ? '' : goalText(what, goal),
    verdictOf(figure),
  ];
}

function notesOf(figures: readonly Figure[]): string[] {
  return figures.flatMap((figure) =>
    [figure.note, unevenNote(figure)].flatMap((note) =>
      note === undefined ? [] : [`${figure.step}, ${figure.what}: ${note}`],
    ),
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

/** `1.10×`; `–` for none. With a digit more where it would read as `goal`, and is above it. */
export function ratioText(value: number | undefined, goal?: number): string {
  if (value === undefined) return '–';
  const digits = value < 0.1 ? 3 : 2;
  const isClose = goal !== undefined && value > goal && Number(value.toFixed(digits)) <= goal;
  return `${value.toFixed(isClose ? digits + 1 : digits)}×`;
}

/** A reader who divides the medians gets another number than the median of the ratios. */
function unevenNote({ ours, theirs, ratio }: Figure): string | undefined {
  if (ours === undefined || theirs === undefined || ratio === undefined) return undefined;
  const isEven = Math.abs(ours / theirs / ratio - 1) <= UNEVEN;
  return isEven ? undefined : 'rounds differed widely; the ratio is the median of theirs';
}

/** Three digits say as much as was measured. */
function timeText(ms: number): string {
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}
