/** What the files in the state folder share: the machine's facts as zod schemas. */
import { isVersion, z } from '@landfall/manifest';
import { RANKS, type Deployment, type Outcome, type Proof, type Running } from '../facts.ts';

/** `<version>-<first 12 digits of the content digest>`: one name, never a path. */
const DEPLOYMENT_ID = /^[0-9A-Za-z][0-9A-Za-z.-]{0,140}-[0-9a-f]{12}$/;

/** Whether `text` has the form of a deployment's name: `<version>-<digest12>`, docs/formats.md. */
export function isDeploymentId(text: string): boolean {
  return DEPLOYMENT_ID.test(text) && isVersion(text.slice(0, text.lastIndexOf('-')));
}

/** A SHA-256 in lower-case hex. */
export const sha256Schema = z.string().check(z.regex(/^[0-9a-f]{64}$/));
/** An ISO 8601 time in UTC, with Z. */
export const timeSchema = z.iso.datetime();

/** What a deployment is known by. `sequence` is 0 where its manifest is not known. */
export const deploymentSchema: z.ZodMiniType<Deployment> = z.object({
  id: z.string().check(z.regex(DEPLOYMENT_ID)),
  version: z.string().check(z.maxLength(128)),
  digest: sha256Schema,
  sequence: z.int().check(z.minimum(0)),
});

/** What a probe found. */
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

/** What runs. Without `proof` it was not verified here. */
export const runningSchema: z.ZodMiniType<Running> = z.object({
  deployment: deploymentSchema,
  since: timeSchema,
  proof: z.optional(proofSchema),
  previous: z.optional(deploymentSchema),
});
