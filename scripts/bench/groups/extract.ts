/** Checking and unpacking a web UI, in memory and on the disk, beside GNU tar and the npm package. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { HOUSE } from '../../build/bundle.ts';
import { type Bench, type Group, quote, shell } from '../bench.ts';
import { type Asked, type Figure, figureOf } from '../figures.ts';
import { compare, type Contender, type Runs } from '../measure.ts';
import { webUi } from '../workloads.ts';

const TAR = 'tar xf';
const NPM = 'npm tar';
const SYNCED = 'tar xf && sync -f';

export const extract: Group = {
  name: 'extract',
  title: 'Verify and extract',
  async run(bench) {
    const archive = packed(bench);
    const target = join(bench.disk.path, 'tree');
    const renew = (): void => bench.disk.renew();
    const unpack = `mkdir ${quote(target)}; tar -I zstd -xf ${quote(archive)} -C ${quote(target)}`;
    const side = (name: string, argv: readonly string[]): Contender => ({
      name,
      argv,
      prepare: renew,
    });
    const own = (how: string): Contender =>
      side('ours', [...bench.ours.node, how, archive, target]);

    bench.say('verify and extract');
    const npmTar = join(HOUSE, 'scripts/bench/npm-tar-process.ts');
    const plain = await compare(
      [
        own('extract'),
        side(TAR, shell(unpack)),
        side(NPM, [process.execPath, npmTar, archive, target]),
      ],
      { rounds: bench.rounds },
    );
    bench.say('… made durable');
    const durable = await compare(
      [own('durable'), side(SYNCED, shell(`${unpack}; sync -f ${quote(target)}`))],
      { rounds: bench.rounds },
    );
    const step = 'verify and extract';
    return [
      figure(plain, { step, what: 'time', peer: TAR }, 1.7),
      figure(plain, { step, what: 'time', peer: NPM }, 0.13),
      figure(plain, { step, what: 'memory', peer: TAR }),
      figure(durable, { step: '… made durable', what: 'time', peer: SYNCED }, 1.4),
    ];
  },
};

function figure(runs: Runs, asked: Omit<Asked, 'ours'>, atMost?: number): Figure {
  const goal = atMost === undefined ? {} : { goal: { of: 'ratio', atMost } as const };
  return figureOf(runs, { ...asked, ours: 'ours', ...goal });
}

/** The archive that all of them unpack, with what was signed of it beside it. */
function packed(bench: Bench): string {
  const archive = join(bench.scratch, 'web-ui.tar.zst');
  const [program = '', ...args] = bench.ours.pack;
  execFileSync(program, [...args, 'pack', webUi('old', bench), archive, 'zstd', '3']);
  return archive;
}
