/**
 * A service manager gave a service up (systemd's start limit, for one, through
 * an `OnFailure=` unit). Whether that leaves a release is the machine's to say:
 * it does until the release is committed, never afterwards. A crash in here
 * leaves what a rollback leaves, or a line in the journal and nothing else.
 */
import { refuseCorrupt } from './corrupt.ts';
import { timestamp, type Host } from './host.ts';
import { stateOfMarker } from './records/marker-file.ts';
import { drive } from './runner.ts';
import { asSettled, begin, leftIn, restOf, resume, type Settlement } from './settle.ts';

/**
 * Tells the machine that `service` (its name in the configuration) gave up,
 * and why, in one line. Resolves to what holds then; `left` is the release
 * that was left for it. Throws as `settle` does.
 */
export async function serviceFailed(
  host: Host,
  service: string,
  reason: string,
): Promise<Settlement> {
  refuseCorrupt(host);
  const { marker, state: before } = begin(host);
  const failure = { service, reason, at: timestamp() };
  const { current } = host.store;
  const isDue = marker?.phase === 'switched' || marker?.phase === 'restarted';
  const runs = current.kind === 'deployment' ? current.id : undefined;
  if (marker !== undefined && !(isDue && runs === marker.to.id)) {
    // It happened before the switch, or to what is being left: to settle restarts the services.
    host.journal.append({ event: 'service-failed', state: marker.phase, ...failure });
    return resume(host, marker);
  }
  const state = marker === undefined ? before : stateOfMarker(marker, restOf(before));
  const result = await drive(host, state, { name: 'service-failed', ...failure });
  const after = asSettled(result.state);
  return { state: after, left: leftIn(after, before) };
}
