/**
 * `quarantine.json`: what failed on this node. A release that was installed and
 * did not pass is known by its content digest; one that could not even be
 * unpacked by the digest of the artifact that was refused, since what its
 * manifest says of its content was never seen. Neither a restart nor the same
 * bytes under another version or sequence clear it: an operator does.
 */
import { writeFileDurably } from '@landfall/durable';
import { z } from '@landfall/manifest';
import type { Deployment } from '../facts.ts';
import { sha256Schema, timeSchema } from './schemas.ts';

const entrySchema = z.lazy(() =>
  z.object({
    /** What `digest` is of. */
    of: z.enum(['content', 'artifact']),
    digest: sha256Schema,
    version: z.string(),
    reason: z.string(),
    at: timeSchema,
  }),
);

/** What `quarantine.json` must be; its `schema` is 1. */
export const quarantineFileSchema = z.object({
  schema: z.literal(1),
  entries: z.array(entrySchema),
});

/** What failed here and was not lifted, the newest last. */
export type QuarantineFile = z.infer<typeof quarantineFileSchema>;
/** One failure, and the version that it was met under; `at` is an ISO time in UTC. */
export type QuarantineEntry = QuarantineFile['entries'][number];

/** Of a node on which nothing failed. */
export const NO_QUARANTINE: QuarantineFile = { schema: 1, entries: [] };

/** What identifies a release here. A deployment on the disk has no artifacts any more. */
export interface ReleaseDigests {
  /** Content digest. */
  digest: string;
  /** SHA-256 of its artifacts for this platform. */
  artifacts?: readonly string[];
}

/** What failed and why. Without `artifact` its content did. */
export interface Failure {
  deployment: Deployment;
  reason: string;
  artifact?: string;
}

/** What keeps this release out, by its content or one of its artifacts; undefined: nothing does. */
export function findQuarantined(
  file: QuarantineFile,
  release: ReleaseDigests,
): QuarantineEntry | undefined {
  return file.entries.find((each) => isOf(each, release));
}

/** `file` with `failure` in it, with its newest reason. */
export function withQuarantined(
  file: QuarantineFile,
  { deployment, reason, artifact }: Failure,
  at: string,
): QuarantineFile {
  const of = artifact === undefined ? 'content' : 'artifact';
  const digest = artifact ?? deployment.digest;
  const others = file.entries.filter((each) => each.of !== of || each.digest !== digest);
  const entry = { of, digest, version: deployment.version, reason, at } as const;
  return { schema: 1, entries: [...others, entry] };
}

/** `file` without all that keeps this release out. */
export function withoutQuarantined(file: QuarantineFile, release: ReleaseDigests): QuarantineFile {
  return { schema: 1, entries: file.entries.filter((each) => !isOf(each, release)) };
}

/** Writes `quarantine.json`. Throws `DurableError`. */
export function writeQuarantineFile(path: string, file: QuarantineFile): void {
  writeFileDurably(path, `${JSON.stringify(file, null, 2)}\n`);
}

function isOf(entry: QuarantineEntry, { digest, artifacts }: ReleaseDigests): boolean {
  if (entry.of === 'content') return entry.digest === digest;
  return artifacts?.includes(entry.digest) ?? false;
}
