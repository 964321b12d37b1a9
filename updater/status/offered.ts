/**
 * What the last look at the mirrors found, as lines of the screen: the newest
 * release, why it is not installed, and what is wrong with the mirrors. Where
 * that look found nothing, what the one before it saw, and since when.
 */
import { formatDuration } from '@landfall/cli';
import { ago, row, some, time } from './rows.ts';
import { runsNewest } from './standing.ts';
import type { StatusView } from './view.ts';

/** Reasons that stand on the screen already. */
const SHORT: Readonly<Record<string, string>> = {
  quarantined: 'it is quarantined here',
  held: 'it is held',
  'in-probation': 'what runs is in probation',
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

/** The newest release that was seen and when; if it does not run here, why not. */
export function availableLines(view: StatusView, now: Date): string[] {
  const { lastCheck, refusal, waits } = view;
  if (lastCheck === null) return [row('available', 'not known: nobody asked the mirrors yet')];
  const { newest, failing } = lastCheck;
  const at = failing === undefined ? lastCheck.at : failing.seen;
  if (at === undefined) return [row('available', 'not known: no mirror showed a release yet')];
  const asked = `${failing === undefined ? 'asked' : 'seen'} ${time(at)}${ago(at, now)}`;
  if (newest === undefined) {
    return [row('available', `nothing; ${asked}`), ...whyNot(refusal)];
  }
  const what = `${newest.version} (sequence ${newest.sequence})`;
  if (runsNewest(view)) return [row('available', `${what}, it runs; ${asked}`)];
  const wait = waits.find((each) => each.version === newest.version);
  const why = wait === undefined ? whyNot(refusal) : [row('', `not installed: ${waitWords(wait)}`)];
  return [row('available', `${what}; ${asked}`), ...why];
}

function waitWords({ version, leftMs, reason }: StatusView['waits'][number]): string {
  const when = leftMs === 0 ? 'at the next check' : `in ${formatDuration(leftMs)}`;
  return `${version} is tried again ${when}: ${reason}`;
}

/** What is not seen to hold now is told as what held when it was asked. */
function whyNot(refusal: StatusView['refusal']): string[] {
  if (refusal === null) return [];
  const { code, reason } = refusal;
  const short = SHORT[code];
  return [
    row(
      '',
      short === undefined ? `not installed, as of then: ${reason}` : `not installed: ${short}`,
    ),
  ];
}

/** How many mirrors are well, and what is wrong with others; nothing before they were asked. */
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
