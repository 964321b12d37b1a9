/** Size and making of deltas, for a web UI and a program, beside zstd and bsdiff. */
import { execFileSync } from 'node:child_process';
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Bench, type Group, quote, shell } from '../bench.ts';
import { type Figure, figureOf, type Goal } from '../figures.ts';
import { compare, type Contender } from '../measure.ts';
import { binaries, webUi } from '../workloads.ts';

const BSDIFF = 'bsdiff';

interface Case {
  step: string;
  from: string;
  to: string;
  level: number;
  goals: { size: Goal; time: Goal };
}

const goal = (atMost: number): Goal => ({ of: 'ratio', atMost });

export const delta: Group = {
  name: 'delta',
  title: 'Deltas',
  async run(bench) {
    const old = webUi('old', bench);
    const program = binaries(bench);
    const small = { step: 'delta, small change', from: old, to: webUi('small', bench), level: 19 };
    const big = { step: 'delta, big change', from: old, to: webUi('new', bench), level: 9 };
    const binary = { step: 'delta, big binary', from: program.old, to: program.new, level: 19 };
    return [
      ...(await race(bench, { ...small, goals: { size: goal(0.55), time: goal(0.1) } })),
      ...(await race(bench, { ...big, goals: { size: goal(0.85), time: goal(1.4) } })),
      ...(await race(bench, { ...binary, goals: { size: goal(0.95), time: goal(0.15) } })),
      ...(await besideBsdiff(bench, program)),
    ];
  },
};

/** Both sides start from what is on the disk: we from two folders, zstd from two archives that are there already. */
async function race(bench: Bench, { step, from, to, level, goals }: Case): Promise<Figure[]> {
  bench.say(step);
  const peer = `zstd --patch-from -${level}`;
  const [before, after] = [asFile(bench, from, 'old'), asFile(bench, to, 'new')];
  const out = join(bench.scratch, 'zstd.patch');
  const runs = await compare(
    [
      ours(bench, from, to),
      {
        name: peer,
        argv: shell(
          `zstd -q -f -${level} --long=31 --patch-from=${quote(before)} ${quote(after)} -o ${quote(out)}`,
        ),
        inspect: () => ({ size: statSync(out).size }),
      },
    ],
    { rounds: bench.rounds, warmUp: false },
  );
  const asked = { step, ours: 'ours', peer };
  return [
    figureOf(runs, { ...asked, what: 'size', goal: goals.size }),
    figureOf(runs, { ...asked, what: 'make time', goal: goals.time }),
    figureOf(runs, { ...asked, what: 'memory' }),
  ];
}

/** It takes minutes and always gives the same: once is enough. */
async function besideBsdiff(
  bench: Bench,
  program: { old: string; new: string },
): Promise<Figure[]> {
  if (!bench.has(BSDIFF)) return [];
  bench.say('delta, big binary, bsdiff');
  const out = join(bench.scratch, 'bsdiff.patch');
  const argv = [BSDIFF, program.old, program.new, out];
  const inspect = (): { size: number } => ({ size: statSync(out).size });
  const runs = await compare(
    [ours(bench, program.old, program.new), { name: BSDIFF, argv, inspect }],
    { rounds: 1, warmUp: false },
  );
  const asked = { step: 'delta, big binary', ours: 'ours', peer: BSDIFF };
  return [
    figureOf(runs, { ...asked, what: 'size', note: 'bsdiff ran once' }),
    figureOf(runs, { ...asked, what: 'make time' }),
    figureOf(runs, { ...asked, what: 'memory' }),
  ];
}

function ours(bench: Bench, from: string, to: string): Contender {
  const out = join(bench.scratch, 'ours.delta');
  return {
    name: 'ours',
    argv: [...bench.ours.pack, 'delta', to, out, from],
    inspect: () => ({ size: statSync(out).size }),
  };
}

/** A file as it is; a folder as an archive of it. */
function asFile(bench: Bench, path: string, name: string): string {
  if (statSync(path).isFile()) return path;
  const archive = join(bench.scratch, `${name}.tar`);
  rmSync(archive, { force: true });
  execFileSync('tar', ['--sort=name', '-C', path, '-cf', archive, '.']);
  return archive;
}
