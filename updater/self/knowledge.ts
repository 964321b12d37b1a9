/**
 * What an updater knows of its node, so far that two updaters can be compared:
 * the one that runs asks the one that comes, and both must say the same.
 */
import type { Host } from '../host.ts';
import { indexOf } from '../offer.ts';
import { findFloor } from '../records/floor-file.ts';
import { z } from '@landfall/manifest';

const knowledgeSchema = z.object({
  state: z.string(),
  /** Id of the deployment that runs. */
  running: z.nullable(z.string()),
  marker: z.boolean(),
  /** Sequence below which nothing is taken. */
  floor: z.nullable(z.int()),
  /** Content digests. */
  quarantined: z.array(z.string()),
  deployments: z.array(z.string()),
});

/** What `self-check` prints; version 1 of it. Later ones may say more, never less. */
export const selfCheckSchema = z.object({
  selfCheck: z.literal(1),
  challenge: z.string(),
  version: z.string(),
  /** SHA-256 of the file it was started from. */
  program: z.string(),
  knowledge: knowledgeSchema,
  /** The newest release that its mirrors show. */
  newest: z.object({ version: z.string(), sequence: z.int() }),
  rehearsal: z.object({ forward: z.literal(true), back: z.literal(true) }),
});

/** What two updaters on one node must both say. Lists are sorted. */
export type Knowledge = z.infer<typeof knowledgeSchema>;
/** The answer of a new updater, believed only as far as it can be compared. */
export type SelfCheck = z.infer<typeof selfCheckSchema>;

/** What this process knows; null where nothing runs, or nothing was accepted yet. */
export function knowledgeOf({ config, store }: Host): Knowledge {
  return {
    state: store.state.name,
    running: store.state.running?.deployment.id ?? null,
    marker: store.marker !== undefined,
    floor: findFloor(store.floors, config.app, indexOf(config))?.sequence ?? null,
    quarantined: store.quarantine.entries.map((each) => each.digest).toSorted(),
    deployments: store.deployments.map((each) => each.deployment.id).toSorted(),
  };
}

/** The first thing that two updaters do not agree on, in words. */
export function findDisagreement(ours: Knowledge, theirs: Knowledge): string | undefined {
  for (const key of Object.keys(ours) as (keyof Knowledge)[]) {
    const [expected, found] = [JSON.stringify(ours[key]), JSON.stringify(theirs[key])];
    if (expected !== found) return `'${key}': expected ${expected}, found ${found}`;
  }
  return undefined;
}
