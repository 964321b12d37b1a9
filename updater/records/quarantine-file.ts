/**
 * `quarantine.json`: what failed on this node, by content digest. Neither a
 * restart nor the same bytes under another version or sequence clear it: an
 * operator does.
 */
import { writeFileDurably } from '@landfall/durable';
import { z } from 'zod';
import type { Deployment } from '../facts.ts';
import { sha256Schema, timeSchema } from './schemas.ts';

const entrySchema = z.object({
  digest: sha256Schema,
  version: z.string(),
  reason: z.string(),
  at: timeSchema,
});

export const quarantineFileSchema = z.object({
  schema: z.literal(1),
  entries: z.array(entrySchema),
});

export type QuarantineFile = z.infer<typeof quarantineFileSchema>;
export type QuarantineEntry = QuarantineFile['entries'][number];

export const NO_QUARANTINE: QuarantineFile = { schema: 1, entries: [] };

export function findQuarantined(file: QuarantineFile, digest: string): QuarantineEntry | undefined {
  return file.entries.find((each) => each.digest === digest);
}

/** `file` with `deployment` in it, with its newest reason. */
export function withQuarantined(
  file: QuarantineFile,
  { digest, version }: Deployment,
  reason: string,
  at: string,
): QuarantineFile {
  const others = file.entries.filter((each) => each.digest !== digest);
  return { schema: 1, entries: [...others, { digest, version, reason, at }] };
}

export function withoutQuarantined(file: QuarantineFile, digest: string): QuarantineFile {
  return { schema: 1, entries: file.entries.filter((each) => each.digest !== digest) };
}

/** Writes `quarantine.json`. Throws `DurableError`. */
export function writeQuarantineFile(path: string, file: QuarantineFile): void {
  writeFileDurably(path, `${JSON.stringify(file, null, 2)}\n`);
}
