/**
 * Turns lines of terminal output on standard input into an SVG on standard
 * output: how the pictures in the documentation are made from real runs.
 *
 *     npm run --silent demo | sed -n '/^what happened/,$p' | node scripts/picture.ts > docs/demo.svg
 */
import { text } from 'node:stream/consumers';

const FONT = 13;
const LINE = 19;
const MARGIN = 16;

const lines = (await text(process.stdin)).trimEnd().split('\n');
const width = Math.ceil(Math.max(...lines.map((line) => line.length)) * FONT * 0.602) + 2 * MARGIN;
const height = lines.length * LINE + 2 * MARGIN;
const rows = lines.map((line, index) => {
  const y = MARGIN + (index + 0.75) * LINE;
  const escaped = line.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return `  <text x="${MARGIN}" y="${y}" xml:space="preserve">${escaped}</text>`;
});
process.stdout.write(
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
  <rect width="100%" height="100%" rx="6" fill="#16181d"/>
  <g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="${FONT}" fill="#e6e6e6">
${rows.join('\n')}
  </g>
</svg>
`,
);
