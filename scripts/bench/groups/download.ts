/**
 * Fetching a large artifact and knowing its digests, beside curl and openssl; and
 * from three mirrors of which one is slow and one dies, beside the good one alone.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { HOUSE } from '../../build/bundle.ts';
import { type Bench, type Group, quote, shell } from '../bench.ts';
import { type Figure, figureOf } from '../figures.ts';
import { compare, type Contender } from '../measure.ts';
import { startWeb } from '../web.ts';

const MIB = 1024 * 1024;
const CURL = 'curl, openssl twice';
const SINGLE = 'best single mirror';
const GOOD_RATE = 40 * MIB;
const SLOW_RATE = 1_000_000;

export const download: Group = {
  name: 'download',
  title: 'Download',
  async run(bench) {
    return [...(await fromOne(bench)), ...(await fromThree(bench))];
  },
};

async function fromOne(bench: Bench): Promise<Figure[]> {
  const bytes = (bench.quick ? 64 : 1024) * MIB;
  const step = `download ${bench.quick ? '64 MiB' : '1 GiB'}, and digests`;
  bench.say(step);
  const { root, archive } = makeArtifact(bench, bytes);
  const web = await startWeb(join(bench.scratch, 'web'), [root]);
  const [url = ''] = web.urls;
  const to = join(bench.disk.path, 'artifact');
  const digest = (name: string): string => `openssl dgst -${name} ${quote(to)} >/dev/null`;
  const address = quote(`${url}releases/download/v1.0.0/artifact.zst`);
  const renew = (): void => bench.disk.renew();
  try {
    const runs = await compare(
      [
        { name: 'ours', argv: [...bench.ours.node, 'download', archive, to, url], prepare: renew },
        {
          name: CURL,
          argv: shell(
            `curl -sSf -o ${quote(to)} ${address}; ${digest('sha256')} & ${digest('blake2b512')}; wait $!`,
          ),
          prepare: renew,
        },
      ],
      { rounds: bench.rounds },
    );
    const asked = { step, ours: 'ours', peer: CURL };
    return [
      figureOf(runs, { ...asked, what: 'time', goal: { of: 'ratio', atMost: 0.9 } }),
      figureOf(runs, { ...asked, what: 'memory' }),
    ];
  } finally {
    await web.stop();
    rmSync(root, { recursive: true });
  }
}

async function fromThree(bench: Bench): Promise<Figure[]> {
  const bytes = (bench.quick ? 32 : 256) * MIB;
  const step = 'three mirrors, one at 1 MB/s, one dying half-way';
  bench.say(step);
  const { root, archive } = makeArtifact(bench, bytes);
  const to = join(bench.disk.path, 'artifact');
  let running: Mirror[] = [];
  const side = (
    name: string,
    mirrors: readonly (readonly [rate: number, dies: number])[],
  ): Contender => {
    const argv = [...bench.ours.node, 'download', archive, to];
    const contender: Contender & { argv: string[] } = {
      name,
      argv,
      prepare: async () => {
        stopAll(running);
        bench.disk.renew();
        running = await Promise.all(mirrors.map((each) => startMirror(root, ...each)));
        contender.argv = [...argv, ...running.map(({ url }) => url)];
      },
    };
    return contender;
  };
  const good = [GOOD_RATE, 0] as const;
  try {
    const runs = await compare(
      [side('ours', [[GOOD_RATE, bytes / 2], [SLOW_RATE, 0], good]), side(SINGLE, [good])],
      { rounds: bench.rounds, warmUp: false },
    );
    const goal = { of: 'ratio', atMost: 1.2 } as const;
    return [figureOf(runs, { step, what: 'time', ours: 'ours', peer: SINGLE, goal })];
  } finally {
    stopAll(running);
    rmSync(root, { recursive: true });
  }
}

/** Bytes that nothing makes smaller, packed as an artifact of release 1.0.0 of a mirror. */
function makeArtifact(bench: Bench, bytes: number): { root: string; archive: string } {
  const root = join(bench.scratch, 'mirror');
  const folder = join(root, 'releases/download/v1.0.0');
  const [noise, archive] = [join(bench.scratch, 'noise'), join(folder, 'artifact.zst')];
  mkdirSync(folder, { recursive: true });
  execFileSync('bash', ['-c', `head -c ${bytes} /dev/urandom >${quote(noise)}`]);
  const [program = '', ...args] = bench.ours.pack;
  execFileSync(program, [...args, 'pack-file', noise, archive, 'zstd', '3']);
  rmSync(noise);
  if (statSync(archive).size < bytes) throw new Error('noise became smaller');
  return { root, archive };
}

interface Mirror {
  child: ChildProcess;
  url: string;
}

async function startMirror(root: string, rate: number, dies: number): Promise<Mirror> {
  const program = join(HOUSE, 'scripts/bench/mirror-process.ts');
  const child = spawn(process.execPath, [program, root, String(rate), String(dies)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, url: String(line).trim() };
}

function stopAll(mirrors: Mirror[]): void {
  for (const { child } of mirrors.splice(0)) child.kill('SIGTERM');
}
