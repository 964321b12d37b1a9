/**
 * `adoption.json`: a node that was there before us, on its way into the layout
 * or in it. It stands before `current` does, so that nothing else begins
 * meanwhile, and goes as the last thing of an undo.
 */
import { readJsonFile, writeFileDurably } from '@landfall/durable';
import { z } from '@landfall/manifest';
import { UpdaterError } from '../errors.ts';
import type { Paths } from '../paths.ts';
import { deploymentSchema, timeSchema } from './schemas.ts';

const adoptionSchema = z.object({
  schema: z.literal(1),
  deployment: deploymentSchema,
  /** What stood there before, by the name it has now, and what stands in its place: a link. */
  places: z.array(z.object({ component: z.string(), source: z.string(), kept: z.string() })),
  /** `exchange`: we put links in place; `by-hand`: the operator points the web server at `current`. */
  how: z.enum(['exchange', 'by-hand']),
  began: timeSchema,
  /** When it was found to work; until then it is not finished. */
  committed: z.optional(timeSchema),
});

/** What `adoption.json` says: docs/formats.md. Paths are absolute, times ISO in UTC. */
export type Adoption = z.infer<typeof adoptionSchema>;

/** Throws `UpdaterError` STATE_CORRUPT for one that makes no sense. */
export function readAdoption(paths: Paths): Adoption | undefined {
  const file = readJsonFile(paths.adoption, adoptionSchema);
  if (file.state === 'ok') return file.value;
  if (file.state === 'absent') return undefined;
  throw new UpdaterError('STATE_CORRUPT', `'${paths.adoption}' is corrupt: ${file.reason}`, {
    hint: `what is served was not touched; look at it, then move it out of ${paths.state}`,
  });
}

/** Writes `adoption.json`. Throws `DurableError`. */
export function writeAdoption(paths: Paths, adoption: Adoption): void {
  writeFileDurably(paths.adoption, `${JSON.stringify(adoption, null, 2)}\n`);
}

/** Throws `UpdaterError` ADOPTION while an adoption is not finished: an update would not reach visitors. */
export function refuseUnfinishedAdoption(paths: Paths): void {
  const adoption = readAdoption(paths);
  if (adoption === undefined || adoption.committed !== undefined) return;
  throw new UpdaterError(
    'ADOPTION',
    `the adoption of ${adoption.deployment.version} that began ${adoption.began} is not finished`,
    { hint: "'updater adopt' goes on with it, 'updater adopt --undo' takes it back" },
  );
}
