/**
 * Measures programs against each other: in each round every one of them runs
 * once, in an order that turns from round to round, so that what else the
 * machine does falls on all of them. Compared are runs of one round; told are
 * medians. Absolute times say something of the machine, ratios of the programs.
 *
 * Every run is a fresh process. It writes where it is told, and nothing here.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A program that is measured. */
export interface Contender {
  name: string;
  argv: readonly string[];
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  /** Before each run, not measured. */
  prepare?: () => void | Promise<void>;
  /** After each run, not measured: figures of its own, by name. `began` is in milliseconds since 1970. */
  inspect?: (began: number) => Figures | Promise<Figures>;
  /** For short programs: so many processes one after the other are one run, told as the time of one. */
  repeats?: number;
}

type Figures = Readonly<Record<string, number>>;

/** What one run took. */
export interface Run {
  /** Milliseconds; `cpu` is user and system time of all its processes. */
  wall: number;
  cpu: number;
  /** Peak resident memory of its largest process, in bytes; NaN where it is not measured. */
  memory: number;
  more: Figures;
}

/** Runs by the name of who ran, in the order of the rounds. */
export type Runs = ReadonlyMap<string, readonly Run[]>;

export interface Rounds {
  rounds: number;
  /** Run everything once before, for the caches. Yes unless told, where there are several rounds. */
  warmUp?: boolean;
}

/** GNU time: a small process between, because the kernel counts the memory of whoever starts a program as the program's. */
const GNU_TIME = '/usr/bin/time';
/** The kernel counts processor time in hundredths of a second for whoever reads /proc. */
const MS_PER_TICK = 10;

/** Runs every contender `rounds` times, interleaved. Throws when one fails. */
export async function compare(
  contenders: readonly Contender[],
  { rounds, warmUp = rounds > 1 }: Rounds,
): Promise<Runs> {
  const runs = new Map(contenders.map(({ name }) => [name, [] as Run[]]));
  // What was made for them is not to be on its way to the disk while they run.
  spawnSync('sync');
  for (let round = warmUp ? -1 : 0; round < rounds; round += 1) {
    const turn = Math.max(0, round) % contenders.length;
    for (const each of [...contenders.slice(turn), ...contenders.slice(0, turn)]) {
      await each.prepare?.();
      const run = await runOnce(each);
      if (round >= 0) runs.get(each.name)?.push(run);
    }
  }
  return runs;
}

async function runOnce(contender: Contender): Promise<Run> {
  const { repeats, inspect } = contender;
  const report = join(tmpdir(), `landfall-bench-${process.pid}.time`);
  // A process more would weigh where what is measured takes milliseconds.
  const measured = repeats === undefined && existsSync(GNU_TIME);
  const timer = measured ? [GNU_TIME, '-q', '-f', '%M', '-o', report] : [];
  const times = repeats ?? 1;
  const cpu = cpuOfChildren();
  const began = Date.now();
  const from = performance.now();
  try {
    for (let time = 0; time < times; time += 1) await runProcess(contender, timer);
    const wall = (performance.now() - from) / times;
    const run = { wall, cpu: (cpuOfChildren() - cpu) / times, memory: Number.NaN };
    if (measured)
      run.memory = Number(readFileSync(report, 'utf8').trim().split('\n').at(-1)) * 1024;
    return { ...run, more: (await inspect?.(began)) ?? {} };
  } finally {
    rmSync(report, { force: true });
  }
}

async function runProcess(contender: Contender, timer: readonly string[]): Promise<void> {
  const [program = '', ...args] = [...timer, ...contender.argv];
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(contender.cwd === undefined ? {} : { cwd: contender.cwd }),
    env: { ...process.env, ...contender.env },
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-2000);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`'${contender.name}' ended with ${code}: ${complaint.trim()}`);
}

/** User and system time of all children that have ended, in milliseconds. */
function cpuOfChildren(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[13]) + Number(fields[14])) * MS_PER_TICK;
}

/** The middle of `values`; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [below, above] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return ((below ?? Number.NaN) + (above ?? Number.NaN)) / 2;
}

/** The median of `ours` over `theirs` of the same round. */
export function pairedRatio(ours: readonly number[], theirs: readonly number[]): number {
  return median(ours.map((value, round) => value / (theirs[round] ?? Number.NaN)));
}
