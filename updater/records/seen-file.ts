/**
 * `seen.json`: what mirrors served of their index, with the tags that they gave
 * it. Nobody is believed for it: it is verified again as if it had just come.
 * A corrupt or lost one means that everything is asked for once, so that nobody
 * waits for the disk to have it.
 */
import { readJsonFile, writeFileLoosely } from '@landfall/durable';
import type { RememberedFile } from '@landfall/mirrors';
import { z } from '@landfall/manifest';

const seenSchema = z.object({
  schema: z.literal(1),
  files: z.array(
    z.object({
      address: z.string(),
      path: z.string(),
      /** In base64; unset: it was not there. */
      bytes: z.optional(z.base64()),
      etag: z.optional(z.string()),
      /** Milliseconds since 1970. */
      at: z.number(),
    }),
  ),
});

/** What mirrors served before; nothing when it is lost or corrupt. Throws `DurableError`. */
export function readSeen(path: string): RememberedFile[] {
  const file = readJsonFile(path, seenSchema);
  if (file.state !== 'ok') return [];
  return file.value.files.map(({ bytes, ...each }) => ({
    ...each,
    bytes: bytes === undefined ? undefined : Buffer.from(bytes, 'base64'),
  }));
}

/** Writes `seen.json`. Throws `DurableError`. */
export function writeSeen(path: string, files: readonly RememberedFile[]): void {
  const written = files.map(({ bytes, ...each }) => ({
    ...each,
    bytes: bytes === undefined ? undefined : Buffer.from(bytes).toString('base64'),
  }));
  writeFileLoosely(path, `${JSON.stringify({ schema: 1, files: written })}\n`);
}
