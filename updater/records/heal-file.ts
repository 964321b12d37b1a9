/**
 * `heal.json`: when the running deployment was checked, what was repaired
 * lately and what is not repaired any more. It bounds work and tells `status`;
 * losing it costs one full check, so a corrupt one is as good as none.
 */
import { readJsonFile, writeFileDurably } from '@landfall/durable';
import { z } from '@landfall/manifest';
import { timeSchema } from './schemas.ts';

const healFileSchema = z.object({
  schema: z.literal(1),
  /** Id of the deployment that all of this is about. */
  deployment: z.string(),
  /** Every file had its content at this time; one that was changed since shows it by its ctime. */
  checked: z.optional(timeSchema),
  /** When the last reading of every file ended. */
  full: z.optional(timeSchema),
  /** A reading of every file that goes on with the next look, after `after`. */
  reading: z.optional(z.object({ began: timeSchema, after: z.string() })),
  /** Files that were found wrong and are read every time until they are right. */
  suspects: z._default(z.array(z.string()), []),
  /** Path → times of its repairs within the last hour. */
  repairs: z.record(z.string(), z.array(timeSchema)),
  /** Path → since when it is left alone, because it kept changing. */
  leftAlone: z.record(z.string(), timeSchema),
  /** When mirrors were last asked for what is missing and could not help. */
  askedInVain: z.optional(timeSchema),
  /** What is not as it should be and was not repaired, one line each. */
  problems: z.array(z.string()),
  /** The last repair. */
  last: z.optional(z.object({ at: timeSchema, what: z.string() })),
});

/** What is known of one deployment's files. Paths are below its folder, times ISO in UTC. */
export type HealFile = z.infer<typeof healFileSchema>;

/** What is known of `deployment`; nothing yet when the file tells of another. */
export function readHealFile(path: string, deployment: string): HealFile {
  const file = readJsonFile(path, healFileSchema);
  const known = file.state === 'ok' && file.value.deployment === deployment;
  if (known) return file.value;
  return { schema: 1, deployment, suspects: [], repairs: {}, leftAlone: {}, problems: [] };
}

/** Writes `heal.json`. Throws `DurableError`. */
export function writeHealFile(path: string, file: HealFile): void {
  writeFileDurably(path, `${JSON.stringify(file, null, 2)}\n`);
}
