/**
 * `floor.json`: the highest manifest accepted, per app and index file, and
 * those accepted before it. It only rises; rolling back does not touch it, and
 * only the root keys put it elsewhere. It also pins the name of the channel
 * behind the default index file, so that a mirror cannot put another channel
 * there, and keeps the newest signed time that was seen.
 *
 * A copy lies in `root` (`floor-copy.ts`), written second.
 */
import { writeFileDurably } from '@landfall/durable';
import type { Floor, VerifiedManifest } from '@landfall/trust';
import { z } from '@landfall/manifest';
import { sha256Schema, timeSchema } from './schemas.ts';

/** So many accepted manifests are remembered, to know another one of their sequence by. */
const MAX_EARLIER = 32;

const acceptedSchema = z.object({ sequence: z.int().check(z.minimum(1)), sha256: sha256Schema });

const entrySchema = z.object({
  app: z.string(),
  /** Path of the index file it was read from: `releases/manifest.json`. */
  index: z.string(),
  channel: z.string(),
  sequence: z.int().check(z.minimum(1)),
  sha256: sha256Schema,
  raised: timeSchema,
  /** Version of the root document that set it last, if one did: it does so once. */
  root: z.optional(z.int().check(z.minimum(1))),
  /** What was accepted before it, newest first. */
  earlier: z.optional(z.array(acceptedSchema)),
});

const signedTimeSchema = z.object({
  /** When something was signed that was verified here. */
  at: timeSchema,
  app: z.string(),
  /** The index file of the manifest that said so; undefined for a root document. */
  index: z.optional(z.string()),
  /** Its sequence or version. */
  number: z.int().check(z.minimum(1)),
});

/** What `floor.json` and its copy must be: docs/formats.md. */
export const floorFileSchema = z.object({
  schema: z.literal(1),
  floors: z.array(entrySchema),
  time: z.optional(signedTimeSchema),
  /** When it was last noticed that this file was lost, or an older one, and in which words. */
  restored: z.optional(z.object({ at: timeSchema, reason: z.string() })),
});

/** One entry for each app and index file; the newest signed time is of all of them. */
export type FloorFile = z.infer<typeof floorFileSchema>;
/** The highest manifest accepted of an app and index file; `raised` is when, ISO in UTC. */
export type FloorEntry = FloorFile['floors'][number];
/** When a manifest or root document says that it was signed, and which; an ISO time in UTC. */
export type SignedTime = z.infer<typeof signedTimeSchema>;

/** What a root document says of a channel's sequence. */
export type FloorReset = Omit<FloorEntry, 'raised' | 'root'> & { root: number };

/** Of a node that has accepted nothing yet. */
export const NO_FLOORS: FloorFile = { schema: 1, floors: [] };

/** The floor of an app and index file; undefined before its first manifest was accepted. */
export function findFloor(file: FloorFile, app: string, index: string): FloorEntry | undefined {
  return file.floors.find((each) => each.app === app && each.index === index);
}

/** What was accepted here with this sequence; undefined when none was, or it is too long ago. */
export function findAccepted(entry: FloorEntry | undefined, sequence: number): Floor | undefined {
  if (entry === undefined) return undefined;
  return [entry, ...(entry.earlier ?? [])].find((each) => each.sequence === sequence);
}

/** `file` with the floor of this app and index at `verified`; the same object when that is not higher. */
export function raiseFloor(
  file: FloorFile,
  index: string,
  verified: Pick<VerifiedManifest, 'manifest' | 'sha256'>,
  at: string,
): FloorFile {
  const { app, channel, sequence, published } = verified.manifest;
  const before = findFloor(file, app, index);
  if (before !== undefined && before.sequence >= sequence) return file;
  const earlier = before === undefined ? [] : [toAccepted(before), ...(before.earlier ?? [])];
  const entry: FloorEntry = { app, index, channel, sequence, sha256: verified.sha256, raised: at };
  if (before?.root !== undefined) entry.root = before.root;
  if (earlier.length > 0) entry.earlier = earlier.slice(0, MAX_EARLIER);
  const raised = withFloor(file, entry);
  return withSignedTime(raised, { at: published, app, index, number: sequence });
}

/** `file` with `entry` in place of the one of its app and index. */
export function withFloor(file: FloorFile, entry: FloorEntry): FloorFile {
  const { app, index } = entry;
  const others = file.floors.filter((each) => each.app !== app || each.index !== index);
  return { ...file, floors: [...others, entry] };
}

/**
 * `file` with `seen` as the newest signed time, if it is: later than the one
 * there, or said by what came after it. A time that was signed far ahead by
 * mistake is corrected by the next manifest, and by a root document that sets the floor.
 */
export function withSignedTime(file: FloorFile, seen: SignedTime): FloorFile {
  const { time } = file;
  const isLater = time === undefined || Date.parse(seen.at) > Date.parse(time.at);
  return isLater || isSuperseded(time, seen) ? { ...file, time: seen } : file;
}

/** Signed times that count when `verified` of this index is judged: what it supersedes says nothing about it. */
export function signedTimeFor(
  { time }: FloorFile,
  index: string,
  { app, sequence }: { app: string; sequence: number },
): string | undefined {
  return time === undefined || isSuperseded(time, { app, index, number: sequence })
    ? undefined
    : time.at;
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
  const put = withFloor(file, { ...reset, raised: at });
  // What the documents from before said of the time may be a thief's words as well.
  if (file.time?.app === app && file.time.index === index) delete put.time;
  return put;
}

/** Writes `floor.json`. Throws `DurableError`. */
export function writeFloorFile(path: string, file: FloorFile): void {
  writeFileDurably(path, `${JSON.stringify(file, null, 2)}\n`);
}

function isSuperseded(time: SignedTime, by: Omit<SignedTime, 'at'>): boolean {
  return time.app === by.app && time.index === by.index && by.number > time.number;
}

function toAccepted({ sequence, sha256 }: FloorEntry): Floor {
  return { sequence, sha256 };
}
