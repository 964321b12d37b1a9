/**
 * Measures programs against each other: in each round every one of them runs
 * once, in an order that turns from round to round, so that what else the
 * machine does falls on all of them. Compared are runs of one round; told are
 * medians. Absolute times say something of the machine, ratios of the programs.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A program to start. */
export interface Subject {
  name: string;
  argv: readonly string[];
}

export interface Measured {
  /** Medians over the rounds, in milliseconds. `cpu` is user and system time. */
  wall: number;
  cpu: number;
  /** Median of wall time over the peer's wall time in the same round, by the peer's name. */
  ratios: ReadonlyMap<string, number>;
}

/** The kernel counts processor time in hundredths of a second for whoever reads /proc. */
const MS_PER_TICK = 10;
/** Runs of one subject in one round: makes a tick small beside what is measured. */
const REPEATS = 5;

/** Runs every subject `rounds` times, after once for the caches. Throws when one fails. */
export function compare(
  subjects: readonly Subject[],
  peers: readonly string[],
  rounds: number,
): Map<string, Measured> {
  const runs = new Map(subjects.map(({ name }) => [name, [] as { wall: number; cpu: number }[]]));
  for (let round = -1; round < rounds; round += 1) {
    const turn = Math.max(0, round) % subjects.length;
    for (const subject of [...subjects.slice(turn), ...subjects.slice(0, turn)]) {
      const run = runOnce(subject);
      if (round >= 0) runs.get(subject.name)?.push(run);
    }
  }
  return new Map(
    [...runs].map(([name, own]) => {
      const ratios = new Map(
        peers.map((peer) => {
          const theirs = runs.get(peer) ?? [];
          return [peer, median(own.map(({ wall }, index) => wall / (theirs[index]?.wall ?? 0)))];
        }),
      );
      const wall = median(own.map((each) => each.wall));
      return [name, { wall, cpu: median(own.map((each) => each.cpu)), ratios }];
    }),
  );
}

/** The middle of `values`. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [below, above] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return ((below ?? Number.NaN) + (above ?? Number.NaN)) / 2;
}

function runOnce({ name, argv }: Subject): { wall: number; cpu: number } {
  const [program = '', ...args] = argv;
  const cpu = cpuOfChildren();
  const from = performance.now();
  for (let time = 0; time < REPEATS; time += 1) {
    const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`'${name}' ended with ${status}: ${stderr}`);
  }
  const wall = (performance.now() - from) / REPEATS;
  return { wall, cpu: (cpuOfChildren() - cpu) / REPEATS };
}

/** User and system time of all children that have ended, in milliseconds. */
function cpuOfChildren(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[13]) + Number(fields[14])) * MS_PER_TICK;
}
