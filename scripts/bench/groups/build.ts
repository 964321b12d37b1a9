/** Packing a web UI: time, size and memory, beside tar and a compressor with both digests. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type Bench, type Group, quote, shell } from '../bench.ts';
import { type Figure, figureOf } from '../figures.ts';
import { compare, type Contender, type Runs } from '../measure.ts';
import { webUi } from '../workloads.ts';

const MIB = 1024 * 1024;
const MOST_MEMORY = 256 * MIB;

const QUICK_PART = 'swagger-ui-dist';

/** What tar needs to be told to make a tree's archive the same on any machine. */
const REPRODUCIBLE = '--sort=name --owner=0 --group=0 --numeric-owner --mtime=@1776884400';

interface Codec {
  step: string;
  ours: readonly string[];
  ending: string;
  peer: string;
  /** With a file as standard output. */
  compress: string;
}

const CODECS = {
  fast: {
    step: 'build, zstd 3',
    ours: ['zstd', '3'],
    ending: 'tar.zst',
    peer: 'tar | zstd -3 -T2',
    compress: 'zstd -q -3 -T2',
  },
  small: {
    step: 'build, zstd 19',
    ours: ['zstd', '19'],
    ending: 'tar.zst',
    peer: 'tar | zstd -19 -T2',
    compress: 'zstd -q -19 -T2',
  },
  gzip: {
    step: 'build, gzip',
    ours: ['gzip', '6'],
    ending: 'tar.gz',
    peer: 'tar | gzip -6',
    compress: 'gzip -6',
  },
} as const satisfies Record<string, Codec>;

export const build: Group = {
  name: 'build',
  title: 'Build: a web UI of thousands of files',
  async run(bench) {
    const figures: Figure[] = [];
    const fast = await race(bench, CODECS.fast);
    const time = (runs: Runs, codec: Codec, atMost: number): Figure =>
      figureOf(runs, {
        step: codec.step,
        what: 'time',
        ours: 'ours',
        peer: codec.peer,
        goal: { of: 'ratio', atMost },
      });
    figures.push(
      time(fast, CODECS.fast, 1.1),
      figureOf(fast, {
        step: CODECS.fast.step,
        what: 'memory',
        ours: 'ours',
        peer: CODECS.fast.peer,
        goal: { of: 'ours', atMost: MOST_MEMORY },
      }),
      sizeOf(fast, CODECS.fast),
    );
    const small = await race(bench, CODECS.small);
    figures.push(time(small, CODECS.small, 0.8), sizeOf(small, CODECS.small, 1.03));
    const gzip = await race(bench, CODECS.gzip);
    figures.push(time(gzip, CODECS.gzip, 0.65), sizeOf(gzip, CODECS.gzip));
    return figures;
  },
};

function sizeOf(runs: Runs, { step, peer }: Codec, atMost?: number): Figure {
  const goal = atMost === undefined ? {} : { goal: { of: 'ratio', atMost } as const };
  return figureOf(runs, { step, what: 'size', ours: 'ours', peer, ...goal });
}

/** Both sides write an archive and know two digests: ours of every file and of the archive. */
async function race(bench: Bench, codec: Codec): Promise<Runs> {
  bench.say(codec.step);
  const whole = webUi('old', bench);
  // The strongest level takes half a minute for what a quick run packs.
  const tree = bench.quick && codec === CODECS.small ? join(whole, QUICK_PART) : whole;
  const made = (side: string): string => join(bench.scratch, `${side}.${codec.ending}`);
  const inspect = (side: string) => (): { size: number } => ({ size: statSync(made(side)).size });
  const out = quote(made('peer'));
  const digest = (name: string): string => `openssl dgst -${name} ${out} >/dev/null`;
  const contenders: Contender[] = [
    {
      name: 'ours',
      argv: [...bench.ours.pack, 'pack', tree, made('ours'), ...codec.ours],
      inspect: inspect('ours'),
    },
    {
      name: codec.peer,
      argv: shell(
        `tar ${REPRODUCIBLE} -C ${quote(tree)} -cf - . | ${codec.compress} >${out}; ` +
          `${digest('sha256')} & ${digest('blake2b512')}; wait $!`,
      ),
      inspect: inspect('peer'),
    },
  ];
  return compare(contenders, { rounds: bench.rounds, warmUp: codec !== CODECS.small });
}
