/** What is known between two runs: read back as written, and never taken for absent when it is damaged. */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Deployment } from '../../../updater/facts.ts';
import { pathsOf, type Paths } from '../../../updater/paths.ts';
import { Store } from '../../../updater/records/store.ts';
import { windowLeft, type Marker } from '../../../updater/records/marker-file.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

const AT = '2026-04-22T19:00:00.000Z';

function paths(): Paths {
  const folder = temporaryFolder();
  const made = pathsOf(join(folder, 'root'), join(folder, 'state'));
  mkdirSync(made.state);
  mkdirSync(made.deployments, { recursive: true });
  return made;
}

/** A deployment on the disk, and current. */
function deploy(at: Paths, version: string): Deployment {
  const id = `${version}-0123456789ab`;
  mkdirSync(join(at.deployments, id, 'web-ui'), { recursive: true });
  writeFileSync(join(at.deployments, id, 'web-ui/index.html'), version);
  rmSync(at.current, { force: true });
  symlinkSync(`deployments/${id}`, at.current);
  return { id, version, digest: 'a'.repeat(64), sequence: 1 };
}

const open = (at: Paths): Store => new Store(at, { preserve: true });

describe('the store', () => {
  it('reads back what it wrote, every state of it', () => {
    const at = paths();
    const to = deploy(at, '1.1.0');
    const from: Deployment = { ...to, id: '1.0.0-0123456789ab', version: '1.0.0' };
    const running = {
      deployment: to,
      since: AT,
      previous: from,
      proof: { rank: 'healthy', reason: 'all well', at: AT, accepted: 'healthy' },
    } as const;
    const store = open(at);
    for (const state of [
      { name: 'idle', running },
      { name: 'probation', running, until: AT, baseline: { rank: 'error', reason: '500' } },
      { name: 'committed', running },
      { name: 'rolled-back', running, failed: from, reason: 'x' },
      { name: 'degraded', running, failed: from, reason: 'x' },
    ] as const) {
      store.saveState(state);
      expect(open(at).state).toStrictEqual(state);
    }
    expect(open(at).deployments).toMatchObject([{ deployment: to, verified: AT }]);
    store.quarantineRelease({ deployment: from, reason: 'status 500' }, AT);
    store.quarantineRelease({ deployment: from, reason: 'again' }, AT);
    expect(open(at).quarantine.entries).toStrictEqual([
      { of: 'content', digest: from.digest, version: '1.0.0', reason: 'again', at: AT },
    ]);
    store.liftQuarantine(from);
    expect(open(at).quarantine.entries).toStrictEqual([]);
    for (const name of readdirSync(at.state)) {
      expect(statSync(join(at.state, name)).mode & 0o777, name).toBe(0o600);
    }
  });

  it('keeps a file that was cut short at any length, and says so at every start until it is gone', () => {
    const at = paths();
    const to = deploy(at, '1.1.0');
    open(at).saveState({ name: 'committed', running: { deployment: to, since: AT } });
    const whole = readFileSync(at.stateFile);
    for (let length = 0; length < whole.length - 1; length += 7) {
      writeFileSync(at.stateFile, whole);
      truncateSync(at.stateFile, length);
      const cut = readFileSync(at.stateFile);
      const store = open(at);
      expect(store.corrupt).toMatchObject([{ file: 'state.json' }]);
      const [{ kept } = { kept: '' }] = store.corrupt;
      expect(readFileSync(kept)).toStrictEqual(cut);
      expect(store.state.running?.deployment.id, 'what runs is told by the disk').toBe(to.id);
      expect(open(at).corrupt).toMatchObject([{ kept }]);
      rmSync(kept);
      expect(open(at).corrupt).toStrictEqual([]);
    }
  });

  it('only looks when it is told to only look', () => {
    const at = paths();
    writeFileSync(at.marker, 'rubbish');
    const store = new Store(at, { preserve: false });
    expect(store.corrupt).toMatchObject([{ file: 'pending-verification.json', kept: at.marker }]);
    expect(readdirSync(at.state)).toStrictEqual(['pending-verification.json']);
  });

  it('believes the link over state.json when no marker stands', () => {
    const at = paths();
    const first = deploy(at, '1.0.0');
    open(at).saveState({ name: 'committed', running: { deployment: first, since: AT } });
    const second = deploy(at, '1.1.0');
    const store = open(at);
    expect(store.drift).toBe(
      `'current' was changed by hand: expected ${first.id}, found ${second.id}`,
    );
    expect(store.state).toMatchObject({ name: 'idle', running: { deployment: { id: second.id } } });
    store.writeMarker({ from: first, to: second, phase: 'switched', attempt: 1 }, 1000);
    expect(open(at).drift, 'with a marker it is the machine that decides').toBeUndefined();
  });

  it.each([
    ['nothing', () => {}, 'none'],
    [
      'a link that leads nowhere',
      (at: Paths) => symlinkSync('deployments/1.0.0-0123456789ab', at.current),
      'dangling',
    ],
    ['a link out of deployments', (at: Paths) => symlinkSync('/usr', at.current), 'foreign'],
    ['a folder', (at: Paths) => mkdirSync(at.current), 'foreign'],
    ['a deployment', (at: Paths) => void deploy(at, '1.0.0'), 'deployment'],
  ])('knows current for what it is: %s', (_, make, kind) => {
    const at = paths();
    make(at);
    expect(open(at).current.kind).toBe(kind);
  });
});

describe('the marker', () => {
  const marker = (at: Paths): Marker => JSON.parse(readFileSync(at.marker, 'utf8')) as Marker;

  it('has a deadline from the switch on, which a start in the same boot does not move', () => {
    const at = paths();
    const to = deploy(at, '1.1.0');
    const store = open(at);
    store.writeMarker({ to, phase: 'prepared', attempt: 1 }, 60_000);
    expect(marker(at).deadline).toBeUndefined();
    store.writeMarker({ to, phase: 'switched', attempt: 1 }, 60_000);
    const { deadline } = marker(at);
    expect(deadline).toBeGreaterThan(60_000);
    const later = open(at);
    later.writeMarker({ to, phase: 'restarted', attempt: 2 }, 999_000);
    expect(marker(at)).toMatchObject({ deadline, attempt: 2 });
    expect(windowLeft(marker(at), 60_000)).toBeLessThanOrEqual(60_000);
    expect(windowLeft(marker(at), 60_000)).toBeGreaterThan(50_000);
    expect(windowLeft({ ...marker(at), deadline: 1 }, 60_000)).toBe(0);
  });

  it('begins its window again after a reboot', () => {
    const at = paths();
    const to = deploy(at, '1.1.0');
    open(at).writeMarker({ to, phase: 'switched', attempt: 1 }, 60_000);
    const before = { ...marker(at), bootId: 'another', deadline: 1 };
    writeFileSync(at.marker, JSON.stringify(before));
    expect(windowLeft(before, 60_000)).toBe(60_000);
    open(at).writeMarker({ to, phase: 'restarted', attempt: 2 }, 60_000);
    expect(windowLeft(marker(at), 60_000)).toBeGreaterThan(50_000);
  });
});
