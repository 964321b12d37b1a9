/** What `updater hold` says of an updater that is at work. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquireLock } from '@landfall/durable';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeReach, findReach } from '../../../updater/policy/reach.ts';
import { writeMarker } from '../../../updater/records/marker-file.ts';
import { makeHost, type TestHost } from '../../harness/host.ts';

const to = { id: '1.1.0-0123456789ab', version: '1.1.0', digest: '1'.repeat(64), sequence: 2 };

function atWork(purpose: string): TestHost {
  const host = makeHost();
  const lock = acquireLock(host.paths.lock, purpose);
  onTestFinished(() => lock.release());
  return host;
}

const words = async ({ paths }: TestHost): Promise<string> =>
  describeReach(await findReach(paths)).join();

describe('a hold that was begun just now', () => {
  it('says nothing of a node at rest', async () => {
    expect(await words(makeHost())).toBe('');
  });

  it.each([
    ['once', /^process \d+ \(once\) is at work: it will not switch to another release$/],
    ['apply', /it will not switch to another release, unless it was started with --despite-hold$/],
    ['rollback', /^process \d+ \(rollback\) is at work, which a hold does not stop$/],
  ])('reaches %s before its marker, as far as that installs', async (purpose, expected) => {
    expect(await words(atWork(purpose))).toMatch(expected);
  });

  it.each([
    [
      'prepared',
      /^1\.1\.0 is being switched to already, and stays if it passes: 'updater rollback/,
    ],
    ['restarted', /^1\.1\.0 is being verified already, .*'updater rollback --reason …' leaves it$/],
    ['rolling-back', /^1\.1\.0 is being left already, which goes on$/],
  ] as const)('does not reach phase %s', async (phase, expected) => {
    const host = atWork('once');
    writeMarker(host.paths.marker, { to, phase, attempt: 1, reason: 'x' }, undefined, 1000);
    expect(await words(host)).toMatch(expected);
  });

  it('says that a crash left a release without a verdict', async () => {
    const host = makeHost();
    writeMarker(host.paths.marker, { to, phase: 'switched', attempt: 1 }, undefined, 1000);
    expect(await words(host)).toBe('1.1.0 has no verdict yet: the next start settles it');
  });

  it.each([
    ['gets its name', /is being switched to already/],
    ['is given up', /will not switch/],
  ])('waits for a marker that is just being written, until it %s', async (how, expected) => {
    const host = atWork('once');
    const { marker, state } = host.paths;
    writeMarker(marker, { to, phase: 'prepared', attempt: 1 }, undefined, 1000);
    const unnamed = join(state, `.pending-verification.json.tmp-${process.pid}`);
    renameSync(marker, unnamed);
    const said = words(host);
    await sleep(100);
    if (how === 'is given up') rmSync(unnamed);
    else renameSync(unnamed, marker);
    expect(await said).toMatch(expected);
  });

  it('takes what a writer that died left for nothing', async () => {
    const host = atWork('once');
    writeFileSync(join(host.paths.state, '.pending-verification.json.tmp-99'), '');
    expect(await words(host)).toMatch(/will not switch/);
  });
});
