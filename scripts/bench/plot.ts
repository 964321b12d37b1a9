/**
 * Figures as a picture: for each a bar as long as ours over the peer's, a line
 * where the peer is, and a mark where the goal is. What is shorter is better.
 */
import { type Figure, verdictOf } from './figures.ts';
import { ratioText, valueOf } from './table.ts';

const WIDTH = 860;
const LABELS = 330;
const VALUES = 170;
const ROW = 34;
const TOP = 46;
const BOTTOM = 30;
/** Bars end here; what is longer is cut, and its number tells. */
const LONGEST = 3;
const COLOURS = { met: '#2e7d4f', 'NOT MET': '#b3541e', other: '#5b6b7f' } as const;

/** An SVG of the figures that have a ratio; undefined when none has. */
export function plotOf(title: string, figures: readonly Figure[]): string | undefined {
  const drawn = figures.filter(({ ratio }) => ratio !== undefined);
  if (drawn.length === 0) return undefined;
  const widest = Math.max(
    1.2,
    ...drawn.map(({ ratio = 0, goal }) => Math.max(ratio, goal?.of === 'ratio' ? goal.atMost : 0)),
  );
  const longest = Math.min(LONGEST, widest * 1.08);
  const scale = (WIDTH - LABELS - VALUES) / longest;
  const height = TOP + drawn.length * ROW + BOTTOM;
  const peer = LABELS + scale;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}">`,
    '<rect width="100%" height="100%" rx="6" fill="#ffffff"/>',
    '<g font-family="system-ui, sans-serif" font-size="13" fill="#1b1f24">',
    text(16, 28, title, 'font-size="15" font-weight="600"'),
    ...drawn.flatMap((figure, index) => rowOf(figure, TOP + index * ROW, { scale, longest })),
    `<line x1="${round(peer)}" y1="${TOP - 4}" x2="${round(peer)}" y2="${height - BOTTOM}" stroke="#1b1f24" stroke-dasharray="3 3"/>`,
    text(peer, height - 12, 'as the peer', 'text-anchor="middle" font-size="11" fill="#555c66"'),
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

function rowOf(
  figure: Figure,
  y: number,
  { scale, longest }: { scale: number; longest: number },
): string[] {
  const { step, what, peer, ours, ratio = 0, goal } = figure;
  const verdict = verdictOf(figure);
  const colour = COLOURS[verdict === 'met' || verdict === 'NOT MET' ? verdict : 'other'];
  const width = Math.min(ratio, longest) * scale;
  const mark =
    goal?.of === 'ratio' && goal.atMost <= longest ? LABELS + goal.atMost * scale : undefined;
  return [
    text(16, y + 13, `${step}, ${what}`),
    text(16, y + 27, peer, 'font-size="11" fill="#555c66"'),
    `<rect x="${LABELS}" y="${y + 4}" width="${round(width)}" height="18" rx="2" fill="${colour}"/>`,
    ...(mark === undefined
      ? []
      : [
          `<line x1="${round(mark)}" y1="${y}" x2="${round(mark)}" y2="${y + 26}" stroke="#c2185b" stroke-width="2"/>`,
        ]),
    text(WIDTH - VALUES + 12, y + 18, `${ratioText(ratio)}  ${valueOf(what, ours)}`),
  ];
}

function text(x: number, y: number, content: string, attributes = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped}</text>`;
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}
