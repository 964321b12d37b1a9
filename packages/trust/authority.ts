/**
 * Whose word counts in a channel. Either somebody configured keys, which hold
 * for every channel, or a root document tells for each.
 */
import type { RootDocument } from '@landfall/manifest';
import type { TrustPolicy } from './policy.ts';
import { policyFor } from './root.ts';

/** Configured keys, or the root document that takes their place. */
export type Authority = TrustPolicy | RootDocument;

/** What a channel's manifest is held against. */
export interface ChannelTrust {
  policy: TrustPolicy;
  /** The channel's name that a manifest must bear. Undefined: not known, any will do. */
  channel: string | undefined;
}

/**
 * Who may sign `channel` (undefined: the default one). With a root document
 * the default channel has a name, so no mirror can put another in its place.
 * Throws `TrustError` WRONG_CHANNEL for a channel that nobody may sign.
 */
export function trustIn(authority: Authority, channel: string | undefined): ChannelTrust {
  if (!isRoot(authority)) return { policy: authority, channel };
  return { policy: policyFor(authority, channel), channel: channel ?? authority.channel };
}

/** Tells a root document from configured keys. */
export function isRoot(authority: Authority): authority is RootDocument {
  return 'kind' in authority && authority.kind === 'root';
}
