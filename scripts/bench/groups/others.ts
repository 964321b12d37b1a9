/** What a node fetches for a change of a web UI, and what making it takes, beside OSTree and casync. */
import { execFileSync } from 'node:child_process';
import { globSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Bench, type Group, quote } from '../bench.ts';
import { type Figure, figureOf } from '../figures.ts';
import { compare, type Contender } from '../measure.ts';
import { webUi } from '../workloads.ts';

const OSTREE = 'ostree static-delta';
/** New chunks, and the index. */
const CASYNC = 'casync make';

export const others: Group = {
  name: 'others',
  title: 'Deltas, beside other updaters',
  async run(bench) {
    const old = webUi('old', bench);
    const small = await race(bench, 'fetch, small change', old, webUi('small', bench));
    // Of so small a tree it would be the same once more.
    if (bench.quick) return small;
    return [...small, ...(await race(bench, 'fetch, big change', old, webUi('new', bench)))];
  },
};

async function race(bench: Bench, step: string, from: string, to: string): Promise<Figure[]> {
  bench.say(step);
  const out = join(bench.scratch, 'ours.delta');
  const contenders: Contender[] = [
    {
      name: 'ours',
      argv: [...bench.ours.pack, 'delta', to, out, from],
      inspect: () => ({ size: statSync(out).size }),
    },
    ...(bench.has('ostree') ? [ostree(bench, from, to)] : []),
    ...(bench.has('casync') ? [casync(bench, from, to)] : []),
  ];
  const runs = await compare(contenders, { rounds: bench.rounds, warmUp: false });
  return [OSTREE, CASYNC].flatMap((peer) => [
    figureOf(runs, { step, what: 'size', ours: 'ours', peer }),
    figureOf(runs, { step, what: 'make time', ours: 'ours', peer }),
  ]);
}

/** Both trees are committed before; measured is what leads from one to the other. */
function ostree(bench: Bench, from: string, to: string): Contender {
  const folder = join(bench.scratch, 'ostree');
  const repository = `--repo=${folder}`;
  rmSync(folder, { recursive: true, force: true });
  run('ostree', [repository, 'init', '--mode=archive']);
  for (const tree of [from, to]) {
    const owner = ['--owner-uid=0', '--owner-gid=0', '--no-xattrs'];
    run('ostree', [repository, 'commit', '-b', 'web-ui', ...owner, tree]);
  }
  const deltas = join(folder, 'deltas');
  return {
    name: OSTREE,
    argv: ['ostree', repository, 'static-delta', 'generate', 'web-ui'],
    prepare: () => rmSync(deltas, { recursive: true, force: true }),
    inspect: () => ({ size: sizeOf(deltas) }),
  };
}

/** The store holds the chunks of the old tree before; new ones are what a node would fetch. */
function casync(bench: Bench, from: string, to: string): Contender {
  const [kept, store] = [join(bench.scratch, 'old.castr'), join(bench.scratch, 'new.castr')];
  const index = join(bench.scratch, 'new.caidx');
  rmSync(kept, { recursive: true, force: true });
  run('casync', ['make', `--store=${kept}`, join(bench.scratch, 'old.caidx'), from]);
  const before = sizeOf(kept);
  return {
    name: CASYNC,
    argv: ['casync', 'make', `--store=${store}`, index, to],
    prepare: () => {
      run('bash', ['-c', `rm -rf ${quote(store)}; cp -al ${quote(kept)} ${quote(store)}`]);
    },
    inspect: () => ({ size: sizeOf(store) - before + statSync(index).size }),
  };
}

function run(program: string, args: readonly string[]): void {
  execFileSync(program, args, { stdio: 'ignore' });
}

/** Bytes of all files below `folder`. */
function sizeOf(folder: string): number {
  return globSync('**', { cwd: folder })
    .map((path) => statSync(join(folder, path)))
    .reduce((sum, stats) => sum + (stats.isFile() ? stats.size : 0), 0);
}
