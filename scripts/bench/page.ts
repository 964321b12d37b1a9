/**
 * The figures in docs/performance.md: each group has a part between two marks,
 * which a run writes anew with its table and its picture, and nobody by hand.
 * What stands around the parts is kept.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HOUSE } from '../build/bundle.ts';
import type { Figure } from './figures.ts';
import { plotOf } from './plot.ts';
import { markdownOf } from './table.ts';

const PAGE = join(HOUSE, 'docs/performance.md');
const PICTURES = 'performance';

/** Writes a group's part and picture. `machine` says where and how it was measured. */
export function writePart(
  group: { name: string; title: string },
  figures: readonly Figure[],
  machine: string,
): void {
  const plot = plotOf(group.title, figures);
  const picture = `${PICTURES}/${group.name}.svg`;
  if (plot !== undefined) {
    mkdirSync(join(HOUSE, 'docs', PICTURES), { recursive: true });
    writeFileSync(join(HOUSE, 'docs', picture), plot);
  }
  const part = [
    ...markdownOf(figures),
    '',
    ...(plot === undefined ? [] : [`![${group.title}](${picture})`, '']),
    machine,
  ];
  writeFileSync(PAGE, withPart(readFileSync(PAGE, 'utf8'), group.name, part.join('\n')));
}

/** `page` with `part` between the marks of `name`. Throws when they are not there. */
export function withPart(page: string, name: string, part: string): string {
  const [begin, end] = [`<!-- bench: ${name} -->`, `<!-- end: ${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) {
    throw new Error(`'${PAGE}': expected '${begin}' and '${end}', found none`);
  }
  return `${page.slice(0, from + begin.length)}\n\n${part}\n\n${page.slice(to)}`;
}
