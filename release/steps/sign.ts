/**
 * Puts the manifest together and signs it. The signatures are verified with
 * the configured public keys before anything else sees them. Where the keys
 * here are too few, what is to be signed waits in the working folder.
 */
import {
  type Manifest,
  type RolloutStep,
  serializeManifest,
  signaturePath,
} from '@landfall/manifest';
import { formatKeyId, sameKey, type SecretKey, sign } from '@landfall/minisign';
import { addSignature, collectSignatures, hasSigned } from '../collect.ts';
import type { Decision, Place } from '../decide.ts';
import { type Draft, draftPath, writeDraft } from '../drafts.ts';
import { resolveSteps } from '../rollout.ts';
import { need, type Shipment } from '../shipment.ts';
import { type SignedManifest, toSigned } from '../signed.ts';
import { toSeconds } from '../time.ts';
import { commentOf, type Waiting } from '../waiting.ts';
import { withdrawalFields } from '../withdrawals.ts';

/**
 * The manifest to be signed; `now` becomes `published`. One of a release that
 * was made before differs from its base in nothing but channel, place and times.
 */
export function composeManifest(
  shipment: Shipment,
  decision: Extract<Decision, { place: Place }>,
  now: Date,
): Manifest {
  const { settings, channel } = shipment;
  const { sequence, previous, withdrawn, reasons } = decision.place;
  const expires = new Date(now.getTime() + settings.expiresDays * 86_400_000);
  const times = { published: toSeconds(now), expires: toSeconds(expires) };
  const withdrawals = withdrawalFields(withdrawn, reasons);
  const newest = settings.roots.at(-1)?.root.version;
  const root = newest === undefined ? {} : { root: newest };
  if (decision.kind === 'reissue') {
    const { withdrawnReasons: _, ...base } = decision.base;
    const rollout = shipment.steps === undefined ? base.rollout : { steps: stepsOf(shipment, now) };
    return { ...base, ...root, channel, sequence, previous, ...times, rollout, ...withdrawals };
  }
  const { updater, from } = settings.requires;
  return {
    schema: 1,
    app: settings.app,
    channel,
    version: shipment.version,
    sequence,
    ...times,
    ...root,
    previous,
    commit: shipment.reused?.commit ?? shipment.source?.commit ?? '',
    notes: shipment.notes ?? '',
    components: [...need(shipment.components, 'components')],
    requires: {
      ...(updater === undefined ? {} : { updater }),
      ...(from === undefined ? {} : { from }),
    },
    rollout: { steps: stepsOf(shipment, now) },
    ...withdrawals,
  };
}

function stepsOf({ steps = [] }: Shipment, now: Date): RolloutStep[] {
  return resolveSteps(steps, now);
}

/**
 * Signs a new manifest with the keys that are here. Where they are fewer than
 * must sign it is put where others can sign it first, and waits; a dry run only
 * says so.
 */
export function signManifest(
  manifest: Manifest,
  keys: readonly SecretKey[],
  shipment: Shipment,
): SignedManifest | Waiting {
  const { settings, expected, dryRun } = shipment;
  const bytes = serializeManifest(manifest);
  const { policy } = expected;
  const signers = policy.keys.filter((key) => keys.some((each) => sameKey(each.publicKey, key)));
  if (signers.length >= policy.threshold) {
    const signatures = new Map<string, string>();
    for (const [index, key] of keys.entries()) {
      const ending = signaturePath('', index === 0 ? undefined : formatKeyId(key.keyId));
      signatures.set(ending, sign(key, bytes, { trustedComment: commentOf(manifest) }));
    }
    return toSigned(bytes, signatures, expected);
  }
  if (!dryRun) return signDraft(writeDraft(settings, manifest, bytes), keys, shipment);
  const missing = policy.keys.filter((key) => !hasSigned(signers, key));
  const path = draftPath(settings, manifest);
  return { manifest, path, threshold: policy.threshold, signers, missing, ignored: [] };
}

/** Adds what the keys here have not signed yet, and looks whether that is enough by now. */
export function signDraft(
  { path, bytes, manifest }: Draft,
  keys: readonly SecretKey[],
  { expected, dryRun }: Shipment,
): SignedManifest | Waiting {
  const { policy } = expected;
  const before = collectSignatures(path, bytes, policy);
  for (const key of keys) {
    if (dryRun || hasSigned(before.signers, key.publicKey)) continue;
    addSignature(path, bytes, key, commentOf(manifest));
  }
  const { signers, missing, ignored, signatures } = collectSignatures(path, bytes, policy);
  const { threshold } = policy;
  if (signers.length < threshold) return { manifest, path, threshold, signers, missing, ignored };
  return toSigned(bytes, signatures, expected);
}
