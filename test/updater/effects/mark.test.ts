/** The first marker of an activation: holds and windows are looked at once more before it stands. */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mark } from '../../../updater/effects/mark.ts';
import type { Deployment } from '../../../updater/facts.ts';
import type { MarkerFacts, Staged } from '../../../updater/machine.ts';
import { DAYS } from '../../../updater/policy/windows.ts';
import { readClock } from '../../../updater/records/clock.ts';
import { beginHold, removeHold, writeHold } from '../../../updater/records/hold-file.ts';
import { readPace } from '../../../updater/records/pace-file.ts';
import { drive } from '../../../updater/runner.ts';
import { makeHost, type TestHost } from '../../harness/host.ts';

const to: Deployment = {
  id: '1.1.0-0123456789ab',
  version: '1.1.0',
  digest: '11'.padStart(64, '0'),
  sequence: 2,
};
const prepared: MarkerFacts = { to, phase: 'prepared', attempt: 1 };
const write = (marker: MarkerFacts, despiteHold = false): Parameters<typeof mark>[1] => ({
  kind: 'write-marker',
  marker,
  despiteHold,
});

function heldHost(): TestHost {
  const host = makeHost({ top: 'max_per_day = 2' });
  writeHold(host.paths.hold, beginHold('audit', 3_600_000, readClock()));
  return host;
}

/** Its window is on another day, whatever today is. */
function closedHost(): TestHost {
  const day = DAYS[(new Date().getUTCDay() + 2) % 7];
  return makeHost({
    toml: `[[windows]]\ndays = ["${day}"]\nfrom = "02:00"\nto = "03:00"\ntimezone = "UTC"`,
  });
}

const marked = ({ paths }: TestHost): boolean =>
  readdirSync(paths.state).some((name) => name.includes('pending-verification'));
const installs = ({ paths }: TestHost): number => readPace(paths.pace)?.installs?.length ?? 0;

describe('while a hold stands', () => {
  it('nothing is activated, nothing is left of the marker, and no install is counted', async () => {
    const host = heldHost();
    const staged: Staged = { name: 'staged', rest: { name: 'idle' }, to };
    const result = await drive(host, staged, { name: 'activate' });
    expect(result.state).toBe(staged.rest);
    expect(result.held).toMatchObject({
      reason: expect.stringMatching(/^held until .*: audit$/) as string,
      hint: expect.stringContaining('unhold') as string,
    });
    expect(result.error).toBeUndefined();
    expect([marked(host), installs(host)]).toStrictEqual([false, 0]);
    expect(host.store.marker).toBeUndefined();
    expect(host.journal.read().at(-1)).toMatchObject({ event: 'held', version: '1.1.0' });

    removeHold(host.paths.hold);
    expect(mark(host, write(prepared))).toStrictEqual({ name: 'marked' });
    expect([marked(host), installs(host)]).toStrictEqual([true, 1]);
  });

  it('a release is activated all the same when a person wants that', () => {
    const host = heldHost();
    expect(mark(host, write(prepared, true))).toStrictEqual({ name: 'marked' });
    expect(host.store.marker?.phase).toBe('prepared');
  });

  it('an install that cannot be counted goes on, and it is said', () => {
    const host = makeHost({ top: 'max_per_day = 2' });
    // A folder in its place stands for a disk that does not take it.
    mkdirSync(join(host.paths.pace, 'x'), { recursive: true });
    expect(mark(host, write(prepared))).toStrictEqual({ name: 'marked' });
    expect(host.store.marker?.phase).toBe('prepared');
    expect(host.notes.join()).toContain('going on without it: ');
  });

  it('what was begun goes on, and so does a rollback', () => {
    const host = heldHost();
    for (const phase of ['switched', 'restarted', 'rolling-back'] as const) {
      expect(mark(host, write({ ...prepared, phase, reason: 'x' }))).toBeUndefined();
      expect(host.store.marker?.phase).toBe(phase);
    }
    expect(installs(host)).toBe(0);
  });
});

describe('a release during whose staging the last window closed', () => {
  const staged: Staged = { name: 'staged', rest: { name: 'idle' }, to };

  it('is not activated until the next one opens', async () => {
    const host = closedHost();
    const result = await drive(host, staged, { name: 'activate' });
    expect(result.state).toBe(staged.rest);
    expect(result.held).toMatchObject({
      code: 'outside-window',
      reason: expect.stringContaining('no maintenance window is open: from ') as string,
      hint: "to take it now: 'updater apply 1.1.0'",
      until: expect.stringMatching(/Z$/) as string,
    });
    expect([marked(host), installs(host)]).toStrictEqual([false, 0]);
  });

  it('is activated all the same where no window is waited for', () => {
    const host = closedHost();
    expect(mark(host, { ...write(prepared), atAnyTime: true })).toStrictEqual({ name: 'marked' });
    expect(marked(host)).toBe(true);
  });
});
