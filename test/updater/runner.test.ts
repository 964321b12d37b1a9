/** What the journal says of each step: `updater history` tells people from it. */
import { describe, expect, it } from 'vitest';
import type { Deployment } from '../../updater/facts.ts';
import type { Event, RolledBack, State } from '../../updater/machine.ts';
import { drive } from '../../updater/runner.ts';
import { makeHost } from '../harness/host.ts';

const AT = '2026-04-22T19:00:00.000Z';
const release = (version: string): Deployment => ({
  id: `${version}-0123456789ab`,
  version,
  digest: version.replaceAll('.', '').padStart(64, '0'),
  sequence: 1,
});
const NEW = release('1.9.0');

/** A node that left 1.7.0 for 1.6.0, and to which 1.9.0 is on offer. */
const rest: RolledBack = {
  name: 'rolled-back',
  running: { deployment: release('1.6.0'), since: AT },
  failed: release('1.7.0'),
  reason: 'found 500',
};

describe('a release that is given up before the switch', () => {
  it.each<[string, State, Event]>([
    [
      'could not be staged',
      { name: 'available', rest, to: NEW },
      { name: 'abandoned', reason: 'no mirror could serve it' },
    ],
    [
      'did not pass a check',
      { name: 'staged', rest, to: NEW },
      { name: 'abandoned', reason: 'nginx -t failed' },
    ],
    [
      'could not be prepared for',
      {
        name: 'pending-verification',
        rest: { name: 'idle' },
        to: NEW,
        phase: 'prepared',
        attempt: 1,
      },
      { name: 'failed', reason: 'no snapshot of the data' },
    ],
  ])('and %s: its line names it, and its own reason', async (_, state, event) => {
    const host = makeHost();
    const result = await drive(host, state, event);
    expect(result.state).toBe('rest' in state && state.rest);
    const line = host.journal.read().find((each) => each['event'] === event.name);
    expect(line).toMatchObject({ version: '1.9.0', reason: 'reason' in event && event.reason });
  });
});
