/** A look at the mirrors that finds nothing new, and an updater that waits for the next one. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench, Group } from '../bench.ts';
import { type Figure, figureOf, plainFigure } from '../figures.ts';
import { compare, type Run } from '../measure.ts';
import { makeSite, type Site } from '../site.ts';
import { webUi } from '../workloads.ts';
import { singleExecutable } from './start.ts';

const BARE = 'node -e 0';
const IDLE = 'idle node';
const REPEATS = 5;
/** After that what a start needs has been read and done. */
const SETTLED_MS = 8000;
const QUICK_SETTLED_MS = 3000;

export const idle: Group = {
  name: 'idle',
  title: 'Nothing new, and idle',
  async run(bench) {
    const { single, runtime } = await singleExecutable(bench);
    const trees = {
      old: webUi('old', { ...bench, quick: true }),
      new: webUi('small', { ...bench, quick: true }),
    };
    const site = await makeSite(bench, { trees, deltas: false });
    try {
      site.emptyNode();
      site.serve('new');
      const updater = (command: string): string[] => [single, command, '--config', site.config];
      // The second one writes down what the next may rely on.
      for (const command of ['apply', 'once']) runOnce(updater(command));
      const times = await look(bench, updater, runtime);
      const asked = ['check', 'once'].flatMap((command) =>
        requestsOf(site, updater(command), command),
      );
      return [...times, ...asked, await waiting(bench, updater('run'), runtime)];
    } finally {
      await site.stop();
    }
  },
};

function runOnce([program = '', ...args]: readonly string[]): void {
  execFileSync(program, args, { stdio: 'ignore' });
}

async function look(
  bench: Bench,
  updater: (command: string) => string[],
  runtime: string,
): Promise<Figure[]> {
  bench.say('check with nothing new');
  const repeats = REPEATS;
  const runs = await compare(
    [
      { name: 'check', argv: updater('check'), repeats },
      { name: 'once', argv: updater('once'), repeats },
      { name: BARE, argv: [runtime, '-e', '0'], repeats },
    ],
    { rounds: bench.rounds },
  );
  const asked = { what: 'time', peer: BARE } as const;
  return [
    figureOf(runs, {
      ...asked,
      step: 'check with nothing new',
      ours: 'check',
      goal: { of: 'ratio', atMost: 2 },
    }),
    figureOf(runs, {
      ...asked,
      step: 'once with nothing new',
      ours: 'once',
      note: 'what a timer starts: it also looks whether all that runs is as it was installed',
    }),
  ];
}

/** What one look asks of its one mirror, by the mirror's own log. */
function requestsOf(site: Site, argv: readonly string[], command: string): Figure[] {
  const port = new URL(site.url).port;
  site.web.requests();
  runOnce(argv);
  const lines = site.web.requests().filter((line) => line.startsWith(`${port} `));
  const bytes = lines.reduce((sum, line) => sum + Number(line.split(' ')[2]), 0);
  const step = `${command} with nothing new, of a mirror`;
  const told = lines.map((line) =>
    line
      .split(' ')
      .slice(1, 2)
      .concat(line.split(' ')[4] ?? '')
      .join(' '),
  );
  return [
    plainFigure({
      step,
      what: 'requests',
      peer: '–',
      ours: lines.length,
      goal: { of: 'ours', atMost: 1 },
      note: told.join(', '),
    }),
    plainFigure({ step, what: 'received', peer: '–', ours: bytes }),
  ];
}

async function waiting(bench: Bench, updater: readonly string[], runtime: string): Promise<Figure> {
  bench.say('idle');
  const runs = new Map<string, Run[]>([
    ['ours', []],
    [IDLE, []],
  ]);
  const node = join(bench.scratch, 'idle-node');
  copyFileSync(runtime, node);
  const bare = [node, '-e', 'setTimeout(() => {}, 1e9)'];
  for (const [file = ''] of [updater, bare]) forget(file);
  for (let round = 0; round < bench.rounds; round += 1) {
    for (const [name, argv] of [
      ['ours', updater],
      [IDLE, bare],
    ] as const) {
      const memory = await memoryOf(argv, bench.quick ? QUICK_SETTLED_MS : SETTLED_MS);
      runs.get(name)?.push({ wall: Number.NaN, cpu: Number.NaN, memory, more: {} });
    }
  }
  const goal = { of: 'ratio', atMost: 1.6 } as const;
  return figureOf(runs, {
    step: 'idle updater run',
    what: 'memory',
    ours: 'ours',
    peer: IDLE,
    goal,
  });
}

/**
 * As after a boot: what was written just now lies in the kernel's cache in large
 * pieces, and each counts as resident where a page of it is used. That made up to
 * 30 MiB, for whichever of the two was the newer file.
 */
function forget(file: string): void {
  execFileSync('sync', [file]);
  execFileSync('dd', [`if=${file}`, 'of=/dev/null', 'iflag=nocache', 'count=0', 'status=none']);
}

/** Resident bytes of a process that has settled, and of what it started; it is ended then. */
async function memoryOf(
  [program = '', ...args]: readonly string[],
  settledMs: number,
): Promise<number> {
  const child = spawn(program, args, { stdio: 'ignore' });
  try {
    await sleep(settledMs);
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  } finally {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}
