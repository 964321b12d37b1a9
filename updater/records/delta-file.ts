/**
 * `deltas.json`: which deltas were tried here. An entry is written before its
 * delta is applied, so that one that brings the process down (memory, above all)
 * is not what every start ends with; the artifact is taken whole instead. Lost
 * or corrupt, such a delta is tried once more, and nothing else.
 */
import { readJsonFile, writeFileDurably, writeFileLoosely } from '@landfall/durable';
import { z } from '@landfall/manifest';
import { sha256Schema, timeSchema } from './schemas.ts';

/** A power cut is no fault of the delta's: the second one in a row may be. */
const MAX_TRIES = 2;
const MAX_ENTRIES = 32;

const deltaFileSchema = z.object({
  schema: z.literal(1),
  tried: z.array(
    z.object({
      /** Of the delta file. */
      sha256: sha256Schema,
      file: z.string(),
      /** How often it was begun and had no end. */
      tries: z.int().check(z.minimum(1)),
      at: timeSchema,
      /** Why it is of no use here; absent while it is not known to be. */
      problem: z.optional(z.string()),
    }),
  ),
});

type Tried = z.infer<typeof deltaFileSchema>['tried'][number];
type DeltaFile = Pick<Tried, 'file' | 'sha256'>;

function readTried(path: string): Tried[] {
  const file = readJsonFile(path, deltaFileSchema);
  return file.state === 'ok' ? file.value.tried : [];
}

/** Whether nothing is known against it. */
export function mayTryDelta(path: string, { sha256 }: DeltaFile): boolean {
  const known = readTried(path).find((each) => each.sha256 === sha256);
  return known === undefined || (known.problem === undefined && known.tries < MAX_TRIES);
}

/** Writes down that it is tried now, or with `problem`, that it is of no use. Throws `DurableError`. */
export function recordDelta(
  path: string,
  { file, sha256 }: DeltaFile,
  at: string,
  problem?: string,
): void {
  const tried = readTried(path);
  const before = tried.find((each) => each.sha256 === sha256)?.tries ?? 0;
  const tries = problem === undefined ? before + 1 : Math.max(1, before);
  const entry: Tried = { sha256, file, tries, at, ...(problem === undefined ? {} : { problem }) };
  write(path, [...tried.filter((each) => each.sha256 !== sha256), entry].slice(-MAX_ENTRIES));
}

/** Takes back that it was begun: what ended it was no fault of its own. Throws `DurableError`. */
export function takeBackDelta(path: string, { sha256 }: DeltaFile): void {
  const tried = readTried(path);
  const known = tried.find((each) => each.sha256 === sha256);
  if (known === undefined || known.problem !== undefined) return;
  const others = tried.filter((each) => each !== known);
  write(path, known.tries > 1 ? [...others, { ...known, tries: known.tries - 1 }] : others);
}

/** Forgets it: it did its work. A power cut may bring it back, as tried once. Throws `DurableError`. */
export function forgetDelta(path: string, { sha256 }: DeltaFile): void {
  const tried = readTried(path);
  const others = tried.filter((each) => each.sha256 !== sha256);
  if (others.length < tried.length) writeFileLoosely(path, textOf(others));
}

function write(path: string, tried: readonly Tried[]): void {
  writeFileDurably(path, textOf(tried));
}

function textOf(tried: readonly Tried[]): string {
  return `${JSON.stringify({ schema: 1, tried }, null, 2)}\n`;
}
