/**
 * `halt.json`: the halt file of the highest serial that was seen, per app and
 * index file, with its signatures. It is verified again whenever it is used: as
 * long as its keys count it holds, also when no mirror shows it any more; when
 * they do not (they were stolen and replaced) it is as good as none, and
 * serials begin anew. Two documents of one serial are both kept.
 */
import { writeFileDurably } from '@landfall/durable';
import { z } from '@landfall/manifest';

/** So many documents of one serial are kept at most: whoever has a key can sign any number. */
export const MAX_HALT_DOCUMENTS = 8;

const entrySchema = z.lazy(() =>
  z.object({
    app: z.string(),
    /** Path of the index file beside which it was read: `releases/manifest.json`. */
    index: z.string(),
    documents: z
      .array(z.object({ bytes: z.base64(), signatures: z.array(z.string()) }))
      .check(z.minLength(1), z.maxLength(MAX_HALT_DOCUMENTS)),
  }),
);

/** What `halt.json` must be: docs/formats.md. Documents are base64 of the signed bytes. */
export const haltFileSchema = z.object({ schema: z.literal(1), halts: z.array(entrySchema) });

/** One entry for each app and index file of which a halt file was seen. */
export type HaltFile = z.infer<typeof haltFileSchema>;
/** The halt documents of an app and index file, all of one serial; usually there is one. */
export type HaltEntry = HaltFile['halts'][number];

/** Of a node that has seen no halt file yet. */
export const NO_HALTS: HaltFile = { schema: 1, halts: [] };

/** What was seen of an app and index file; undefined: nothing. */
export function findHalt(file: HaltFile, app: string, index: string): HaltEntry | undefined {
  return file.halts.find((each) => each.app === app && each.index === index);
}

/** `file` with `entry` in the place of the one of its app and index; one without a document is left out. */
export function withHalt(file: HaltFile, entry: HaltEntry): HaltFile {
  const { app, index } = entry;
  const others = file.halts.filter((each) => each.app !== app || each.index !== index);
  return { schema: 1, halts: entry.documents.length === 0 ? others : [...others, entry] };
}

/** Writes `halt.json`. Throws `DurableError`. */
export function writeHaltFile(path: string, file: HaltFile): void {
  writeFileDurably(path, `${JSON.stringify(file, null, 2)}\n`);
}
