/**
 * `golden.json`: the deployment that an operator pinned, the last resort. It
 * stays on the disk whatever `keep` says. A file that makes no sense pins
 * nothing that is known, and so no deployment is removed until it is written
 * anew; nothing else is stopped by it.
 */
import { readJsonFile, removeDurably, writeFileDurably } from '@landfall/durable';
import { z } from '@landfall/manifest';
import type { Deployment } from '../facts.ts';
import { deploymentSchema, timeSchema } from './schemas.ts';

const goldenSchema = z.object({
  schema: z.literal(1),
  deployment: deploymentSchema,
  /** When it was pinned. */
  at: timeSchema,
});

/** What `golden.json` says: the deployment that is pinned, and since when. */
export type Golden = z.infer<typeof goldenSchema>;

/** Undefined: none is pinned. `corrupt`: it is not known which. */
export function readGolden(path: string): Golden | 'corrupt' | undefined {
  const file = readJsonFile(path, goldenSchema);
  if (file.state === 'absent') return undefined;
  return file.state === 'ok' ? file.value : 'corrupt';
}

/** Pins `deployment`, or nothing. Throws `DurableError`. */
export function writeGolden(path: string, deployment: Deployment | undefined, at: string): void {
  if (deployment === undefined) return removeDurably(path);
  writeFileDurably(path, `${JSON.stringify({ schema: 1, deployment, at }, null, 2)}\n`);
}
