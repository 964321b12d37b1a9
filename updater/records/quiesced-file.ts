/**
 * `quiesced.json`: services that were stopped for a switch and are to be
 * started again. A name stands in it before the service is stopped and goes
 * after it was started, so that no crash leaves a stopped service unknown.
 */
import { readJsonFile, removeDurably, writeFileDurably } from '@landfall/durable';
import { z } from '@landfall/manifest';
import { timeSchema } from './schemas.ts';

const quiescedSchema = z.object({
  schema: z.literal(1),
  /** When the first of them was stopped. */
  at: timeSchema,
  /** In the order in which they were stopped. */
  names: z.array(z.string()),
});

/** The services that the updater stopped and has not started again yet. */
export type Quiesced = z.infer<typeof quiescedSchema>;

/** Undefined: nothing is stopped. `corrupt`: it is not known what is. */
export function readQuiesced(path: string): Quiesced | 'corrupt' | undefined {
  const file = readJsonFile(path, quiescedSchema);
  if (file.state === 'absent') return undefined;
  return file.state === 'ok' ? file.value : 'corrupt';
}

/** Writes `quiesced.json`, or removes it when nothing is stopped. Throws `DurableError`. */
export function writeQuiesced(path: string, { at, names }: Omit<Quiesced, 'schema'>): void {
  if (names.length === 0) return removeDurably(path);
  writeFileDurably(path, `${JSON.stringify({ schema: 1, at, names }, null, 2)}\n`);
}
