/**
 * A node stopped after every file operation, by SIGKILL and by two kinds of
 * power cut. What is left is judged at each; then the node is started again
 * from every state that a start can tell from the others.
 */
import { describe, expect, it } from 'vitest';
import { isFullChaos, share, type Share, visited } from './chaos.ts';
import type { FileSystem } from './crash-disk.ts';
import { addToMatrix } from './crash-matrix.ts';
import { STORIES, type Story } from './crash-stories.ts';
import { judgeStops, recover, type Recovery } from './crash-verdict.ts';
import { type Stop, type StopFault, stopForReal, walkForReal, walkStops } from './crash-walk.ts';
import { type CrashWorld, makeCrashWorld } from './crash-world.ts';

/** On XFS every so many operations are visited: a run for each costs what it costs. */
const XFS_STRIDE = 5;

interface Case {
  name: string;
  story: Story;
  disk: FileSystem;
  faults: readonly StopFault[];
}

/** What is walked through: every story, or the one that `npm test` has time for. */
const update = STORIES.filter(({ name }) => name === 'an update');
const CASES: readonly Case[] = isFullChaos
  ? [
      ...STORIES.map((story) => toCase(story, 'ext4', ['kill', 'power', 'power-journal'])),
      // A kill leaves what was written, on any file system.
      ...update.map((story) => toCase(story, 'xfs', ['power', 'power-journal'])),
    ]
  : update.map((story) => toCase(story, 'ext4', ['power-journal']));

function toCase(story: Story, disk: FileSystem, faults: readonly StopFault[]): Case {
  return { name: disk === 'ext4' ? story.name : `${story.name} on ${disk}`, story, disk, faults };
}

/** The tests of one share of the stories. Each counts into the matrix. */
export function describeStops(mine: Share): void {
  describe.each(share(CASES, mine))('$name, stopped', ({ name, story, disk, faults }) => {
    it(
      'after every file operation ends whole, and where it was going',
      { timeout: 1_200_000 },
      async () => {
        const world = await makeCrashWorld(story, disk);
        const images = new Map<string, string>();
        const stops: Stop[] = [];
        const bad: string[] = [];
        for (const fault of faults) {
          const walked = await walk(world, fault, images);
          const roles = new Set(walked.map(({ operation }) => operation.role));
          const untouched = story.touches.filter((role) => disk === 'ext4' && !roles.has(role));
          bad.push(...untouched.map((role) => `${fault}: the story no longer touches ${role}`));
          bad.push(...judgeStops(world, walked).map((problem) => `${fault} ${problem}`));
          if (disk === 'ext4') bad.push(...(await compareWithReal(world, fault, walked)));
          stops.push(...walked);
        }
        const recoveries = new Map<string, Recovery>();
        for (const [fingerprint, image] of visited(`states of ${name}`, [...images], 4)) {
          const stop = stops.find(({ found }) => found.fingerprint === fingerprint);
          if (stop === undefined) throw new Error('an image of no stop');
          await world.disk.restore(image);
          const recovery = await recover(world, stop.found);
          recoveries.set(fingerprint, recovery);
          bad.push(...recovery.problems.map((problem) => `${describeStop(stop)}: ${problem}`));
        }
        addToMatrix(`${name}, stopped`, toRows(name, stops, recoveries));
        expect(bad).toStrictEqual([]);
      },
    );
  });
}

/** By copies on ext4. XFS writes by itself while a walk with pauses takes its time: there, by real stops. */
async function walk(
  world: CrashWorld,
  fault: StopFault,
  images: Map<string, string>,
): Promise<Stop[]> {
  if (world.disk.kind === 'ext4') return (await walkStops(world, fault, images)).stops;
  await world.rewind();
  // Names of logs hold the time.
  const operations = (await world.run()).operations.filter(({ role }) => role !== 'logs');
  const isVisited = (index: number): boolean =>
    index % XFS_STRIDE === 0 || index === operations.length - 1;
  return walkForReal(
    world,
    fault,
    operations.filter((_, index) => isVisited(index)),
    images,
  );
}

/** The copies are what a real kill and a real shutdown of the file system leave. */
async function compareWithReal(
  world: CrashWorld,
  fault: StopFault,
  stops: readonly Stop[],
): Promise<string[]> {
  const bad: string[] = [];
  // Names of logs hold the time: another run does not come by there again.
  const again = stops.filter(({ operation }) => operation.role !== 'logs');
  const moments = [0.3, 0.55, 0.8].map((part) => Math.floor(again.length * part));
  for (const index of isFullChaos ? moments : moments.slice(1, 2)) {
    const stop = again[index] as Stop;
    const found = await stopForReal(world, fault, stop.operation);
    if (found.fingerprint !== stop.found.fingerprint) {
      bad.push(`${describeStop(stop)}: the copy is not what a real stop leaves`);
    }
  }
  return bad;
}

function describeStop({ fault, operation }: Stop): string {
  return `${fault} after ${operation.call} ${operation.path} #${operation.nth}`;
}

function toRows(
  story: string,
  stops: readonly Stop[],
  recoveries: ReadonlyMap<string, Recovery>,
): Parameters<typeof addToMatrix>[1] {
  const counted = new Set<string>();
  return stops.flatMap(({ operation, fault, found }) => {
    const recovery = recoveries.get(found.fingerprint);
    if (recovery === undefined) return [];
    const isFirst = !counted.has(found.fingerprint);
    counted.add(found.fingerprint);
    const { role, call } = operation;
    const bad = found.problems.length + recovery.problems.length > 0;
    const { settled, ms } = recovery;
    return [{ story, role, call, fault, settled, bad, ms: isFirst ? ms : undefined }];
  });
}
