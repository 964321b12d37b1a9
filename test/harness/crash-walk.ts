/**
 * Walks a story operation by operation, and for each one says what a stop right
 * after it leaves on the disk. One run tells all: the program stands still
 * after every operation while its disk is copied as the fault would leave it.
 * `stopForReal` holds these copies against real kills and real shutdowns.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CrashWorld } from './crash-world.ts';
import type { DiskState } from './disk-state.ts';
import type { TraceOptions } from './file-operations.ts';
import type { FileOperation } from './strace-lines.ts';

/** What stops the node, and so what is left of what was written. */
export type StopFault =
  /** SIGKILL: everything written. */
  | 'kill'
  /** Power cut, shutdown ioctl flag 2: what was synced, and nothing else. */
  | 'power'
  /** Power cut, flag 1: also every name and size the journal had not written yet, without the data. */
  | 'power-journal';

export interface Stop {
  operation: FileOperation;
  fault: StopFault;
  found: DiskState;
}

/** After this long the kernel writes data that nobody synced: 30 s, unless `npm run test:chaos` puts it off. */
const WRITEBACK_MS = 10 * Number(readFileSync('/proc/sys/vm/dirty_expire_centisecs', 'utf8'));

export interface Walk {
  stops: Stop[];
  /** One image for each fingerprint. */
  images: Map<string, string>;
  code: number | null;
  stderr: string;
}

/**
 * Walks `world`'s story under `fault`. Every stop is looked at; of those that
 * look the same to a start, one image is kept in `images`.
 */
export async function walkStops(
  world: CrashWorld,
  fault: StopFault,
  images = new Map<string, string>(),
  options: Pick<TraceOptions, 'strace'> = {},
): Promise<Walk> {
  const { disk } = world;
  await world.rewind();
  const stops: Stop[] = [];
  let written: string | undefined;
  let found = world.before;
  const started = performance.now();
  const run = await world.run({
    ...options,
    onOperation: async (operation) => {
      if (fault === 'power-journal') disk.commitJournal();
      const isSame = fault === 'power' && disk.written === written;
      if (!isSame) {
        const image = join(world.images, `${fault}-${stops.length}.img`);
        found = await capture(world, fault, image, images);
        written = disk.written;
      }
      stops.push({ operation, fault, found });
    },
  });
  const ms = performance.now() - started;
  if (fault !== 'kill' && ms > WRITEBACK_MS) {
    const seconds = Math.round(ms / 1000);
    console.log(
      `${world.story.name}, ${fault}: the walk took ${seconds} s; its end is too lenient`,
    );
  }
  return { stops, images, code: run.code, stderr: run.stderr };
}

async function capture(
  world: CrashWorld,
  fault: StopFault,
  image: string,
  images: Map<string, string>,
): Promise<DiskState> {
  const { disk } = world;
  if (fault === 'kill') {
    const found = world.look();
    if (images.has(found.fingerprint)) return found;
    disk.sync();
    disk.copyTo(image);
    images.set(found.fingerprint, image);
    return found;
  }
  const now = join(world.images, 'now.img');
  disk.copyTo(now);
  const found = await world.lookAt(now);
  if (images.has(found.fingerprint)) return found;
  disk.copyTo(image);
  images.set(found.fingerprint, image);
  return found;
}

/**
 * The same with real stops, one run for each of `operations`: for file systems
 * that write much by themselves while a walk with pauses takes its time.
 */
export async function walkForReal(
  world: CrashWorld,
  fault: StopFault,
  operations: readonly FileOperation[],
  images: Map<string, string>,
): Promise<Stop[]> {
  const stops: Stop[] = [];
  for (const operation of operations) {
    const found = await stopForReal(world, fault, operation);
    stops.push({ operation, fault, found });
    if (images.has(found.fingerprint)) continue;
    const image = join(world.images, `${fault}-${stops.length}.img`);
    world.disk.sync();
    world.disk.copyTo(image);
    images.set(found.fingerprint, image);
  }
  return stops;
}

/** Runs the story and really stops it right after `operation`. Resolves to what the next boot finds. */
export async function stopForReal(
  world: CrashWorld,
  fault: StopFault,
  operation: FileOperation,
): Promise<DiskState> {
  const { disk } = world;
  await world.rewind();
  const run = await world.run({
    onOperation: ({ call, path, nth }, kill) => {
      if (call !== operation.call || path !== operation.path || nth !== operation.nth) return;
      if (fault !== 'kill') disk.shutDown(fault === 'power' ? 2 : 1);
      kill();
    },
  });
  if (run.signal !== 'SIGKILL') throw new Error(`${operation.path} was not reached: ${run.stderr}`);
  if (fault !== 'kill') await disk.reboot();
  return world.look();
}
