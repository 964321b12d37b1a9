/**
 * `snapshots.json`: snapshots of the node's data that the updater made, oldest
 * first. An entry stands in it before its snapshot is made, so that a crash
 * leaves none that nobody knows of. Losing the file loses the knowledge of
 * them, not the snapshots.
 */
import { preserveCorruptFile, readJsonFile, writeFileDurably } from '@landfall/durable';
import { z } from '@landfall/manifest';
import { deploymentSchema, timeSchema } from './schemas.ts';

const entrySchema = z.object({
  name: z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,200}$/)),
  /** `btrfs`, `zfs` or `command`, as it was configured then. */
  type: z.string(),
  at: timeSchema,
  /** What ran when it was made; absent before a first install. */
  of: z.optional(deploymentSchema),
  /** The deployment it was made before. */
  before: deploymentSchema,
  /** False while it is being made, and for good if that did not succeed. */
  made: z.boolean(),
  /** When it was last brought back. */
  restored: z.optional(timeSchema),
});

const snapshotFileSchema = z.object({ schema: z.literal(1), snapshots: z.array(entrySchema) });

/** One snapshot of the data; it can be brought back once `made`. Times are ISO in UTC. */
export type SnapshotEntry = z.infer<typeof entrySchema>;

/** What was made here, oldest first; nothing when the file makes no sense. */
export function readSnapshots(path: string): SnapshotEntry[] {
  const file = readJsonFile(path, snapshotFileSchema);
  return file.state === 'ok' ? file.value.snapshots : [];
}

/**
 * Writes `snapshots.json` with what `change` makes of it. A file that makes no
 * sense is kept aside. Throws `DurableError`.
 */
export function changeSnapshots(
  path: string,
  change: (snapshots: readonly SnapshotEntry[]) => readonly SnapshotEntry[],
): void {
  if (readJsonFile(path, snapshotFileSchema).state === 'corrupt') preserveCorruptFile(path);
  const snapshots = change(readSnapshots(path));
  writeFileDurably(path, `${JSON.stringify({ schema: 1, snapshots }, null, 2)}\n`);
}

/** The snapshot that was made whole before `id` was first switched to, the newest if there are several. */
export function snapshotBefore(
  snapshots: readonly SnapshotEntry[],
  id: string | undefined,
): SnapshotEntry | undefined {
  return snapshots.findLast((each) => each.made && each.before.id === id);
}
