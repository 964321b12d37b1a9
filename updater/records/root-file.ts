/**
 * `trust/newest.json`: which root document this node knows, from which pin, and
 * when it last asked for the next. Nobody is believed because of it: the
 * documents beside it are verified at every start. It says what must be found
 * again after some of them were lost; a corrupt or lost one means that the
 * mirrors are asked at once.
 */
import { join } from 'node:path';
import { readJsonFile, writeFileDurably } from '@landfall/durable';
import { z } from '@landfall/manifest';
import type { Paths } from '../paths.ts';
import { sha256Schema, timeSchema } from './schemas.ts';

const rootFileSchema = z.lazy(() =>
  z.object({
    schema: z.literal(1),
    /** SHA-256 of the pin: another pin is another chain. */
    pin: sha256Schema,
    version: z.int().check(z.minimum(1)),
    sha256: sha256Schema,
    expires: timeSchema,
    /** When a mirror last said what comes next; unset while that is not settled. */
    asked: z.optional(timeSchema),
    /** Why nothing is installed, if the root documents stand against it. */
    problem: z.optional(z.string()),
  }),
);

/** The newest root document that was found to follow from the pin. Times are ISO in UTC. */
export type RootFile = z.infer<typeof rootFileSchema>;

function fileOf(paths: Paths): string {
  return join(paths.trust, 'newest.json');
}

/** Undefined: nothing is known, or the file makes no sense. Throws `DurableError`. */
export function readRootFile(paths: Paths): RootFile | undefined {
  const file = readJsonFile(fileOf(paths), rootFileSchema);
  return file.state === 'ok' ? file.value : undefined;
}

/** Writes it; the folder must be there. Throws `DurableError`. */
export function writeRootFile(paths: Paths, file: RootFile): void {
  writeFileDurably(fileOf(paths), `${JSON.stringify(file, null, 2)}\n`);
}
