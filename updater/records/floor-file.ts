/**
 * `floor.json`: the highest manifest accepted, per app and index file. It only
 * rises; rolling back does not touch it. It also pins the name of the channel
 * behind the default index file, so that a mirror cannot put another channel
 * there.
 */
import { writeFileDurably } from '@landfall/durable';
import type { Floor, VerifiedManifest } from '@landfall/trust';
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
});

export const floorFileSchema = z.object({ schema: z.literal(1), floors: z.array(entrySchema) });

export type FloorFile = z.infer<typeof floorFileSchema>;
export type FloorEntry = FloorFile['floors'][number];

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
  const before: Floor | undefined = findFloor(file, app, index);
  if (before !== undefined && before.sequence >= sequence) return file;
  const others = file.floors.filter((each) => each.app !== app || each.index !== index);
  const entry: FloorEntry = { app, index, channel, sequence, sha256: verified.sha256, raised: at };
  return { schema: 1, floors: [...others, entry] };
}

/** Writes `floor.json`. Throws `DurableError`. */
export function writeFloorFile(path: string, file: FloorFile): void {
  writeFileDurably(path, `${JSON.stringify(file, null, 2)}\n`);
}
