/**
 * What the last look at the mirrors found, as lines of the screen: the newest
 * release, why it is not installed, and what is wrong with the mirrors. Where
 * that look found nothing, what the one before it saw, and since when.
 */
import { formatDuration } from '@landfall/cli';
import { ago, row, some, time } from './rows.ts';
import type { StatusView } from './view.ts';

/** Reasons that stand on the screen already. */
const SHORT: Readonly<Record<string, string>> = {
  quarantined: 'it is quarantined here',
  held: 'it is held',
  equivocation: 'two manifests have its sequence, see above',
  'fast-forward': 'its sequence is too far ahead, see above',
};

/** That no mirror is of use, for as long as that lasts. */
export function failingLines({ lastCheck }: StatusView, now: Date): string[] {
  const { failing } = lastCheck ?? {};
  if (failing === undefined) return [];
  const since = `${time(failing.since)}${ago(failing.since, now)}`;
  return [`WARNING: no mirror shows a release to believe since ${since}`];
}

export function availableLines({ lastCheck, running, waits }: StatusView, now: Date): string[] {
  if (lastCheck === null) return [row('available', 'not known: nobody asked the mirrors yet')];
  const { newest, refusal, failing } = lastCheck;
  const at = failing === undefined ? lastCheck.at : failing.seen;
  if (at === undefined) return [row('available', 'not known: no mirror showed a release yet')];
  const asked = `${failing === undefined ? 'asked' : 'seen'} ${time(at)}${ago(at, now)}`;
  if (newest === undefined) {
    return [row('available', `nothing; ${asked}`), ...whyNot(refusal?.reason)];
  }
  const what = `${newest.version} (sequence ${newest.sequence})`;
  if (newest.version === running?.deployment.version) {
    return [row('available', `${what}, it runs; ${asked}`)];
  }
  const wait = waits.find((each) => each.version === newest.version);
  const short = refusal === undefined ? undefined : SHORT[refusal.code];
  const refused = short ?? refusal?.reason;
  const reason = wait === undefined ? refused : waitWords(wait);
  return [row('available', `${what}; ${asked}`), ...whyNot(reason)];
}

function waitWords({ version, leftMs, reason }: StatusView['waits'][number]): string {
  const when = leftMs === 0 ? 'at the next check' : `in ${formatDuration(leftMs)}`;
  return `${version} is tried again ${when}: ${reason}`;
}

function whyNot(reason: string | undefined): string[] {
  return reason === undefined ? [] : [row('', `not installed: ${reason}`)];
}

export function mirrorLines({ lastCheck }: StatusView, now: Date): string[] {
  if (lastCheck === null) return [];
  const { at, mirrors, problems, failing } = lastCheck;
  const bad = new Set(problems.map(({ mirror }) => mirror)).size;
  const asked = failing === undefined ? '' : `; asked ${time(at)}${ago(at, now)}`;
  return [
    row('mirrors', `${mirrors - bad} of ${mirrors} without a problem${asked}`),
    ...some(problems.map(({ mirror, problem }) => row('', `'${mirror}' ${problem}`))),
  ];
}
