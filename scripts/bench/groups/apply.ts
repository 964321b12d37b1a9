/** A small delta applied to the release that is there, beside unpacking the new one whole. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench, Group } from '../bench.ts';
import { figureOf, plainFigure } from '../figures.ts';
import { compare, type Contender, median } from '../measure.ts';
import { webUi } from '../workloads.ts';

const STEP = 'apply small delta';
const WHOLE = 'full extract';

export const apply: Group = {
  name: 'apply',
  title: 'Applying a delta',
  async run(bench) {
    bench.say(STEP);
    const [old, small] = [webUi('old', bench), webUi('small', bench)];
    const archive = made(bench, 'pack', small, 'small.tar.zst', ['zstd', '3']);
    const before = made(bench, 'pack', old, 'old.tar.zst', ['zstd', '3']);
    const patch = made(bench, 'delta', small, 'small.delta', [old]);
    const [base, target] = [join(bench.disk.path, 'base'), join(bench.disk.path, 'tree')];
    const side = (name: string, args: readonly string[]): Contender => ({
      name,
      argv: [...bench.ours.node, ...args],
      prepare: () => {
        bench.disk.renew();
        run(bench.ours.node, ['extract', before, base]);
        bench.disk.mark();
      },
      inspect: () => ({ written: bench.disk.written() }),
    });
    const runs = await compare(
      [side('ours', ['apply', patch, target, base]), side(WHOLE, ['extract', archive, target])],
      { rounds: bench.rounds },
    );
    const { changedBytes } = JSON.parse(readFileSync(`${patch}.json`, 'utf8')) as {
      changedBytes: number;
    };
    const asked = { step: STEP, ours: 'ours', peer: WHOLE };
    return [
      figureOf(runs, { ...asked, what: 'time', goal: { of: 'ratio', atMost: 0.4 } }),
      plainFigure({
        step: STEP,
        what: 'written',
        peer: 'changed bytes',
        ours: median((runs.get('ours') ?? []).map(({ more }) => more['written'] ?? Number.NaN)),
        theirs: changedBytes,
        goal: { of: 'ratio', atMost: 3 },
        note: 'everything that reached the disk after a sync, with the journal of the file system',
      }),
      figureOf(runs, { ...asked, what: 'written' }),
      figureOf(runs, { ...asked, what: 'memory' }),
    ];
  },
};

function made(
  bench: Bench,
  command: string,
  from: string,
  name: string,
  rest: readonly string[],
): string {
  const out = join(bench.scratch, name);
  run(bench.ours.pack, [command, from, out, ...rest]);
  return out;
}

function run([program = '', ...own]: readonly string[], args: readonly string[]): void {
  execFileSync(program, [...own, ...args]);
}
