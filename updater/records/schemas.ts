/** What the files in the state folder share: the machine's facts as zod schemas. */
import { z } from '@landfall/manifest';
import { RANKS, type Deployment, type Outcome, type Proof, type Running } from '../facts.ts';

/** `<version>-<first 12 digits of the content digest>`: one name, never a path. */
const DEPLOYMENT_ID = /^[0-9A-Za-z][0-9A-Za-z.-]{0,140}-[0-9a-f]{12}$/;

export function isDeploymentId(text: string): boolean {
  return DEPLOYMENT_ID.test(text);
}

export const sha256Schema = z.string().check(z.regex(/^[0-9a-f]{64}$/));
export const timeSchema = z.iso.datetime();

export const deploymentSchema: z.ZodMiniType<Deployment> = z.object({
  id: z.string().check(z.regex(DEPLOYMENT_ID)),
  version: z.string().check(z.maxLength(128)),
  digest: sha256Schema,
  sequence: z.int().check(z.minimum(0)),
});

export const outcomeSchema: z.ZodMiniType<Outcome> = z.object({
  rank: z.enum(RANKS),
  reason: z.string(),
});

const proofSchema: z.ZodMiniType<Proof> = z.object({
  rank: z.enum(RANKS),
  reason: z.string(),
  at: timeSchema,
  accepted: z.enum(['healthy', 'no-worse']),
});

export const runningSchema: z.ZodMiniType<Running> = z.object({
  deployment: deploymentSchema,
  since: timeSchema,
  proof: z.optional(proofSchema),
  previous: z.optional(deploymentSchema),
});
