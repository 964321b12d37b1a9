/**
 * `updater.json`: which new updaters were tried here, known by the digest of
 * their bytes, and what became of them. An updater that failed is not tried
 * again; one that was begun with and never came to an end is tried a few times.
 */
import { type JsonFile, readJsonFile, writeFileDurably } from '@landfall/durable';
import { z } from '@landfall/manifest';
import { sha256Schema, timeSchema } from './schemas.ts';

const candidateSchema = z.object({
  sha256: sha256Schema,
  /** The release that brought it. */
  release: z.string(),
  at: timeSchema,
  /** Proofs that were begun. */
  tries: z.int().check(z.minimum(0)),
  /** Absent: a proof was begun, or could not be had yet. */
  outcome: z.optional(z.enum(['took-over', 'failed'])),
  reason: z.optional(z.string()),
});

const updaterFileSchema = z.object({ candidates: z.array(candidateSchema) });

/** A new updater by the SHA-256 of its program, and how its proof went; `at` is ISO in UTC. */
export type Candidate = z.infer<typeof candidateSchema>;

/** So many are remembered. */
const KEEP = 50;

/** What was tried; the newest last. */
export function readCandidates(path: string): JsonFile<Candidate[]> {
  const file = readJsonFile(path, updaterFileSchema);
  return file.state === 'ok' ? { state: 'ok', value: file.value.candidates } : file;
}

/**
 * Writes `candidate` down, in place of what was known of those bytes. Throws
 * `DurableError`; the old file stands then.
 */
export function writeCandidate(path: string, known: readonly Candidate[], one: Candidate): void {
  const others = known.filter((each) => each.sha256 !== one.sha256);
  const candidates = [...others, one].slice(-KEEP);
  writeFileDurably(path, `${JSON.stringify({ candidates }, null, 2)}\n`);
}
