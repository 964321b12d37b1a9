/** A node on a disk of its own, at the beginning of a story, as often as wanted. */
import { join } from 'node:path';
import { CrashDisk, imageFolder, type FileSystem } from './crash-disk.ts';
import type { Story } from './crash-stories.ts';
import { type DiskState, readDiskState } from './disk-state.ts';
import { traceUpdater, type TraceOptions } from './file-operations.ts';
import { exampleWebUi } from './release-factory.ts';
import { makeWorld, type World } from './world.ts';

export interface CrashWorld extends World {
  story: Story;
  disk: CrashDisk;
  /** For images; it goes when the test ends. */
  images: string;
  /** The state in which the story begins. */
  before: DiskState;
  /** Puts the node where the story begins. */
  rewind: () => Promise<void>;
  /** Runs the story's command. Options as those of `traceUpdater`, on this disk. */
  run: (options?: Omit<TraceOptions, 'folder'>) => ReturnType<typeof traceUpdater>;
  /** What is on the disk, as a program sees it. */
  look: () => DiskState;
  /** What is on the image that a power cut would leave at `image`. */
  lookAt: (image: string) => Promise<DiskState>;
}

/** Quick verdicts: what takes time is starting processes, not waiting. */
const QUICK = { window: '400ms', interval: '5ms', passes: 2, timeout: '2s' };

export async function makeCrashWorld(
  story: Story,
  kind: FileSystem = 'ext4',
  tables: readonly string[] = [],
): Promise<CrashWorld> {
  const disks: CrashDisk[] = [];
  const images = imageFolder();
  const made = await makeWorld({
    probe: QUICK,
    // Two deployments are kept, so that an update has one to remove.
    top: ['probation = "0s"', 'keep = 2'],
    tables,
    place: (folder) => {
      const disk = new CrashDisk(join(folder, 'disk'), images, kind);
      disk.format();
      disks.push(disk);
      return disk.mount;
    },
  });
  // One file is in every release, and stands on the disk once.
  const ship: World['ship'] = async (version, spec) =>
    made.ship(version, { webUi: { ...exampleWebUi(version), 'same.txt': 'same' }, ...spec });
  const world = { ...made, ship };
  const [disk] = disks;
  if (disk === undefined) throw new Error('the node was made without its disk');
  const { node, folder } = world;
  await story.prepare(world);
  const base = join(images, 'base.img');
  const before = readDiskState(disk.mount);
  disk.sync();
  disk.copyTo(base);
  const glass = new CrashDisk(join(folder, 'glass'), images, kind);
  return {
    ...world,
    story,
    disk,
    images,
    before,
    rewind: () => disk.restore(base),
    run: (options = {}) =>
      traceUpdater([...story.command, '--config', node.config], {
        ...(story.umask === undefined ? {} : { umask: story.umask }),
        ...options,
        folder: disk.mount,
      }),
    look: () => readDiskState(disk.mount),
    lookAt: async (image) => {
      await glass.restore(image);
      const state = readDiskState(glass.mount);
      await glass.detach();
      return state;
    },
  };
}
