/**
 * What the mirrors show, and whether this node takes what they offer. Nothing
 * here writes, nor loads what installs: most looks find nothing new.
 */
import type { Halted } from '@landfall/manifest';
import type { Warning } from './freshness.ts';
import type { Host } from './host.ts';
import { lookAtMirrors, type Look, type MirrorProblem } from './mirrors.ts';
import {
  judgeFreshness,
  judgeOffer,
  selectOffer,
  type Decline,
  type Offer,
  type Wish,
} from './offer.ts';
import { judgePace } from './policy/judge.ts';
import { judgeRollout } from './policy/rollout.ts';
import type { Held } from './records/hold-file.ts';
import { foreseeTrust, type KeepTrust } from './trust/keep.ts';
import { judgeWait } from './waiting.ts';

/** What is on offer, and whether it would be taken. */
export interface Judgement {
  problems: MirrorProblem[];
  /** What is odd about what the mirrors show. */
  warnings: Warning[];
  offer?: Offer;
  decline?: Decline;
  /** The hold that stands, whatever else there is to say. */
  held?: Held | undefined;
  /** That what runs was halted; it is not left for that. */
  halted?: Halted | undefined;
}

/** What the mirrors offer and what this node thinks of it. Changes nothing. */
export async function judgeMirrors(host: Host, wish: Wish): Promise<Judgement> {
  return judgeLook(host, await look(host, foreseeTrust), wish);
}

/** Asks the mirrors, and tells what is wrong with them; `keep` is told of root documents. */
export async function look(host: Host, keep: KeepTrust): Promise<Look> {
  const seen = await lookAtMirrors(host, keep);
  for (const { mirror, problem } of seen.problems) host.note(`mirror '${mirror}': ${problem}`);
  for (const { reason, hint } of seen.warnings) host.note(`warning: ${reason}; ${hint}`);
  return seen;
}

/** What this node thinks of what was seen. `onTakeable` is told of an offer that only its time may still stand against. */
export function judgeLook(
  host: Host,
  seen: Look,
  wish: Wish,
  onTakeable: (offer: Offer) => void = () => {},
): Judgement {
  const { config, store } = host;
  const { newest, mirrors, problems, warnings, halts } = seen;
  const running = store.state.running?.deployment.version;
  const halted = running === undefined ? undefined : halts.halted.get(running);
  const judgement = { problems, warnings, halted };
  if ('code' in newest) return { ...judgement, decline: newest };
  const offer = selectOffer(newest, mirrors, halts.halted.get(newest.manifest.version));
  const stale = judgeFreshness(config, store, newest, new Date());
  if ('code' in offer) return { ...judgement, decline: stale ?? offer };
  const refusal = stale ?? judgeOffer(store, offer, wish) ?? judgeRollout(host, offer, wish);
  if (refusal === undefined) onTakeable(offer);
  const decline =
    refusal ?? judgeWait(host, store.state, offer, wish) ?? judgePace(host, offer, wish);
  return decline === undefined ? { ...judgement, offer } : { ...judgement, offer, decline };
}
