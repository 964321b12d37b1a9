/**
 * `floor.json`: the highest manifest accepted, per app and index file. It only
 * rises; rolling back does not touch it. It also pins the name of the channel
 * behind the default index file, so that a mirror cannot put another channel
 * there.
 */
import { writeFileDurably } from '@landfall/durable';
import type { VerifiedManifest } from '@landfall/trust';
import { z } from 'zod';
import { sha256Schema, timeSchema } from './schemas.ts';

const entrySchema = z.object({
  app: z.string(),
  /** Path of the index file it was read from: `releases/manifest.json`. */
  index: z.string(),
  channel: z.string(),
  sequence: z.int().min(1),
  sha256: sha256Schema,
  raised: timeSchema,
  /** Version of the root document that set it last, if one did: it does so once. */
  root: z.int().min(1).optional(),
});

export const floorFileSchema = z.object({ schema: z.literal(1), floors: z.array(entrySchema) });

export type FloorFile = z.infer<typeof floorFileSchema>;
export type FloorEntry = FloorFile['floors'][number];

/** What a root document says of a channel's sequence. */
export type FloorReset = Omit<FloorEntry, 'raised' | 'root'> & { root: number };

export const NO_FLOORS: FloorFile = { schema: 1, floors: [] };

export function findFloor(file: FloorFile, app: string, index: string): FloorEntry | undefined {
  return file.floors.find((each) => each.app === app && each.index === index);
}

/** `file` with the floor of this app and index at `verified`; the same object when that is not higher. */
export function raiseFloor(
  file: FloorFile,
  index: string,
  verified: Pick<VerifiedManifest, 'manifest' | 'sha256'>,
  at: string,
): FloorFile {
  const { app, channel, sequence } = verified.manifest;
  const before = findFloor(file, app, index);
  if (before !== undefined && before.sequence >= sequence) return file;
  const others = file.floors.filter((each) => each.app !== app || each.index !== index);
  const entry: FloorEntry = { app, index, channel, sequence, sha256: verified.sha256, raised: at };
  if (before?.root !== undefined) entry.root = before.root;
  return { schema: 1, floors: [...others, entry] };
}

/**
 * `file` with the floor where a root document sets it, also below what was
 * accepted: the way back after a stolen key signed a sequence far ahead. The
 * same object when that or a later version has set it before.
 */
export function resetFloor(file: FloorFile, reset: FloorReset, at: string): FloorFile {
  const { app, index, root } = reset;
  const before = findFloor(file, app, index);
  if ((before?.root ?? 0) >= root) return file;
  const others = file.floors.filter((each) => each !== before);
  return { schema: 1, floors: [...others, { ...reset, raised: at }] };
}

/** Writes `floor.json`. Throws `DurableError`. */
export function writeFloorFile(path: string, file: FloorFile): void {
  writeFileDurably(path, `${JSON.stringify(file, null, 2)}\n`);
}
