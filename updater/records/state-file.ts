/**
 * `state.json`: the settled state, and what was staged here. It is written
 * when a state is reached, never in the middle of an activation: what is in
 * progress is the marker's to say. Losing it loses history, not safety.
 */
import { writeFileDurably } from '@landfall/durable';
import { z } from '@landfall/manifest';
import type { Settled } from '../machine.ts';
import { deploymentSchema, outcomeSchema, runningSchema, timeSchema } from './schemas.ts';

const settledSchema: z.ZodMiniType<Settled> = z.discriminatedUnion('name', [
  z.object({ name: z.literal('idle'), running: z.optional(runningSchema) }),
  z.object({
    name: z.literal('probation'),
    running: runningSchema,
    baseline: z.optional(outcomeSchema),
    until: timeSchema,
  }),
  z.object({ name: z.literal('committed'), running: runningSchema }),
  z.object({
    name: z.literal('rolled-back'),
    running: z.optional(runningSchema),
    failed: deploymentSchema,
    reason: z.string(),
    golden: z.optional(z.boolean()),
  }),
  z.object({
    name: z.literal('degraded'),
    running: runningSchema,
    failed: z.optional(deploymentSchema),
    reason: z.string(),
    golden: z.optional(z.boolean()),
  }),
]);

const recordSchema = z.object({
  deployment: deploymentSchema,
  /** When it came here. Oldest first. */
  staged: timeSchema,
  /** When it last passed a probe after an activation. */
  verified: z.optional(timeSchema),
});

/** One deployment that was staged here, oldest first; it may be gone from the disk by now. */
export type DeploymentRecord = z.infer<typeof recordSchema>;

/** What `state.json` must be. No state in the middle of something stands in it. */
export const stateFileSchema = z.object({
  schema: z.literal(1),
  state: settledSchema,
  deployments: z.array(recordSchema),
});

/** The state that was reached last, and what was staged here, oldest first. */
export interface StateFile {
  state: Settled;
  deployments: DeploymentRecord[];
}

/** Writes `state.json`. Throws `DurableError`. */
export function writeStateFile(path: string, file: StateFile): void {
  writeFileDurably(path, `${JSON.stringify({ schema: 1, ...file }, null, 2)}\n`);
}

/** `file` with `record` in its list, once, as the newest; an older word about it is kept where the new one is silent. */
export function withRecord(file: StateFile, record: DeploymentRecord): StateFile {
  const { id } = record.deployment;
  const before = file.deployments.find((each) => each.deployment.id === id);
  const others = file.deployments.filter((each) => each.deployment.id !== id);
  return { ...file, deployments: [...others, { ...before, ...record }] };
}
