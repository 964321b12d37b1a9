/**
 * `last-check.json`: what the last look at the mirrors found, for `status`.
 * Nothing is ever decided from it; a corrupt one is as good as none.
 */
import { readJsonFile, writeFileDurably } from '@landfall/durable';
import { z } from 'zod';
import { timeSchema } from './schemas.ts';

const lastCheckSchema = z.object({
  at: timeSchema,
  /** The newest release the mirrors show, and why it is not installed, if it is not. */
  newest: z.object({ version: z.string(), sequence: z.int(), expires: timeSchema }).optional(),
  refusal: z
    .object({
      code: z.string(),
      reason: z.string(),
      hint: z.string().optional(),
      until: timeSchema.optional(),
    })
    .optional(),
  /** Mirrors with a problem. */
  problems: z.array(z.object({ mirror: z.string(), problem: z.string() })),
  /** How many mirrors were asked. */
  mirrors: z.int(),
});

export type LastCheck = z.infer<typeof lastCheckSchema>;

export function readLastCheck(path: string): LastCheck | undefined {
  const file = readJsonFile(path, lastCheckSchema);
  return file.state === 'ok' ? file.value : undefined;
}

/** Writes `last-check.json`. Throws `DurableError`. */
export function writeLastCheck(path: string, check: LastCheck): void {
  writeFileDurably(path, `${JSON.stringify(check, null, 2)}\n`);
}
