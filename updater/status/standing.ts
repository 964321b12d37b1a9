/**
 * What of the last look at the mirrors still holds, as far as this node can
 * tell by itself: a hold may be lifted since, or something else run. Pure.
 */
import type { LastCheck } from '../records/last-check-file.ts';
import type { StatusView } from './view.ts';

/** Why the newest release was not installed at the last look, as that wrote it down. */
export type Refusal = NonNullable<LastCheck['refusal']>;

/** Whether what runs is the newest release that mirrors showed. */
export function runsNewest({
  lastCheck,
  running,
}: Pick<StatusView, 'lastCheck' | 'running'>): boolean {
  const { newest } = lastCheck ?? {};
  const deployment = running?.deployment;
  if (newest === undefined || deployment === undefined) return false;
  return newest.id === undefined
    ? newest.version === deployment.version
    : newest.id === deployment.id;
}

/** Why the newest release was not installed; undefined where it was, or where that holds no longer. */
export function standingRefusal(
  view: Pick<StatusView, 'lastCheck' | 'running' | 'state' | 'held'>,
): Refusal | undefined {
  const { refusal } = view.lastCheck ?? {};
  switch (refusal?.code) {
    case 'held':
      return view.held === null ? undefined : refusal;
    case 'up-to-date':
      return runsNewest(view) ? refusal : undefined;
    case 'in-probation':
      return view.state.name === 'probation' ? refusal : undefined;
    case 'not-newest':
    case 'runs-already':
      // Of another version, which somebody had named.
      return undefined;
    default:
      return refusal;
  }
}
