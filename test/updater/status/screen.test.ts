/**
 * The screen of every state, word for word, from a node whose files say so: 24
 * lines of 100 columns at most, what needs a person first, what to do last.
 */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Deployment, Running } from '../../../updater/facts.ts';
import type { Host } from '../../../updater/host.ts';
import { withFailure, writeAttempts } from '../../../updater/records/attempts-file.ts';
import type { Clock } from '../../../updater/records/clock.ts';
import { writeGolden } from '../../../updater/records/golden-file.ts';
import { beginHold, writeHold } from '../../../updater/records/hold-file.ts';
import {
  type LastCheck,
  readLastCheck,
  withFailedCheck,
  writeLastCheck,
} from '../../../updater/records/last-check-file.ts';
import { writeQuiesced } from '../../../updater/records/quiesced-file.ts';
import { writeRootFile, type RootFile } from '../../../updater/records/root-file.ts';
import { changeSnapshots } from '../../../updater/records/snapshot-file.ts';
import { Store } from '../../../updater/records/store.ts';
import { fit, toScreen } from '../../../updater/status/screen.ts';
import { readStatus } from '../../../updater/status/view.ts';
import { makeHost, type TestHost } from '../../harness/host.ts';

const NOW: Clock = { now: new Date('2026-04-22T20:00:00.000Z'), bootId: 'boot', uptimeMs: 3.6e7 };
const hours = (ago: number): string => new Date(NOW.now.getTime() - ago * 3_600_000).toISOString();
const release = (version: string): Deployment => ({
  id: `${version}-3f9c2a71b0de`,
  version,
  digest: version.replaceAll(/\D/g, '').padEnd(64, '0'),
  sequence: Number(version.split('.')[2]),
});
const [OLD, MID, NEW] = [release('1.7.40'), release('1.7.41'), release('1.7.42')];
const running = (deployment: Deployment, previous?: Deployment): Running => ({
  deployment,
  since: hours(76),
  proof: {
    rank: 'healthy',
    reason: "page and 8 assets are this release's, 3 times in a row",
    at: hours(76),
    accepted: 'healthy',
  },
  previous,
});

/** What the last look at the mirrors found. */
function check(host: Host, change: Partial<LastCheck> = {}): void {
  const newest = { version: NEW.version, sequence: 42, expires: hours(-900) };
  writeLastCheck(host.paths.lastCheck, {
    at: hours(0.5),
    newest,
    problems: [],
    mirrors: 3,
    ...change,
  });
}

function writeRoot({ paths }: Host, change: Partial<RootFile>): void {
  mkdirSync(paths.trust);
  const digests = { pin: '0'.repeat(64), sha256: '1'.repeat(64) };
  writeRootFile(paths, { schema: 1, ...digests, version: 2, expires: '', ...change });
}

function runs(host: TestHost, deployment: Deployment): void {
  mkdirSync(join(host.paths.deployments, deployment.id), { recursive: true });
  symlinkSync(`deployments/${deployment.id}`, host.paths.current);
}

const UP_TO_DATE = { code: 'up-to-date', reason: '1.7.42 runs already' };

interface Scene {
  name: string;
  toml?: string;
  top?: string;
  trust?: string;
  make: (host: TestHost) => void;
}

const committed = (host: TestHost): void => {
  runs(host, MID);
  host.store.saveState({ name: 'committed', running: running(MID, OLD) });
};

const SCENES: readonly Scene[] = [
  { name: 'nothing was installed yet', make: () => {} },
  {
    name: 'nothing was installed yet, and its turn is to come',
    make: (host) =>
      check(host, { refusal: { code: 'waiting-rollout', reason: 'it goes out in steps' } }),
  },
  {
    name: 'committed and up to date',
    make: (host) => {
      runs(host, NEW);
      host.store.saveState({ name: 'committed', running: running(NEW, MID) });
      check(host, { refusal: UP_TO_DATE });
    },
  },
  {
    name: 'probation',
    make: (host) => {
      runs(host, MID);
      host.store.saveState({ name: 'probation', running: running(MID, OLD), until: hours(-0.1) });
      const reason = `1.7.41 is in probation until ${hours(-0.1)}`;
      check(host, { refusal: { code: 'in-probation', reason } });
    },
  },
  {
    name: 'pending verification, with services stopped',
    make: (host) => {
      runs(host, MID);
      host.store.saveState({ name: 'committed', running: running(OLD) });
      host.store.writeMarker({ from: OLD, to: MID, phase: 'switched', attempt: 2 }, 90_000);
      writeQuiesced(host.paths.quiesced, { at: hours(0), names: ['worker', 'mailer'] });
    },
  },
  {
    name: 'rolled back, with a snapshot of the data',
    toml: '[snapshot]\ntype = "zfs"\ndataset = "tank/data"',
    make: (host) => {
      runs(host, OLD);
      const reason = 'https://127.0.0.1/: expected status 200, found 500';
      host.store.saveState({ name: 'rolled-back', running: running(OLD), failed: MID, reason });
      host.store.quarantineRelease({ deployment: MID, reason }, hours(1));
      const name = 'landfall-20260422T190000Z-1.7.40';
      changeSnapshots(host.paths.snapshots, () => [
        { name, type: 'zfs', at: hours(1), of: OLD, before: MID, made: true },
      ]);
      const newest = { version: MID.version, sequence: 41, expires: hours(-900) };
      check(host, { newest, refusal: { code: 'quarantined', reason } });
    },
  },
  {
    name: 'rolled back from a first install',
    make: (host) => {
      host.store.saveState({ name: 'rolled-back', failed: MID, reason: 'status 500' });
      host.store.quarantineRelease({ deployment: MID, reason: 'status 500' }, hours(1));
    },
  },
  {
    name: 'degraded',
    make: (host) => {
      runs(host, OLD);
      const reason = 'https://127.0.0.1/: connection refused';
      host.store.saveState({ name: 'degraded', running: running(OLD), failed: MID, reason });
      check(host, { problems: [{ mirror: 'b', problem: 'timed out after 15 s' }] });
    },
  },
  {
    name: 'on its last resort',
    make: (host) => {
      runs(host, OLD);
      writeGolden(host.paths.golden, OLD, hours(500));
      const reason = '1.7.41 is damaged on the disk';
      const state = { name: 'rolled-back', running: running(OLD), failed: MID, reason } as const;
      host.store.saveState({ ...state, golden: true });
      check(host);
    },
  },
  {
    name: 'held',
    make: (host) => {
      committed(host);
      const begun = { ...NOW, now: new Date(hours(1)), uptimeMs: NOW.uptimeMs - 3_600_000 };
      writeHold(host.paths.hold, beginHold('audit until eleven', 10_800_000, begun));
      check(host, {
        refusal: { code: 'held', reason: `held until ${hours(-2)}: audit until eleven` },
      });
    },
  },
  {
    name: 'held when the mirrors were asked, and not any more',
    make: (host) => {
      committed(host);
      check(host, { refusal: { code: 'held', reason: `held until ${hours(1)}: audit` } });
    },
  },
  {
    name: 'in probation when the mirrors were asked, and not any more',
    make: (host) => {
      committed(host);
      const reason = `1.7.41 is in probation until ${hours(1)}`;
      check(host, { refusal: { code: 'in-probation', reason } });
    },
  },
  {
    name: 'another version was asked for than the newest',
    make: (host) => {
      committed(host);
      const reason = '1.7.41 runs already, and the mirrors offer 1.7.42';
      check(host, { refusal: { code: 'runs-already', reason, hint: 'to install that: …' } });
    },
  },
  {
    name: 'nothing runs any more of what was up to date',
    make: (host) => check(host, { refusal: UP_TO_DATE }),
  },
  {
    name: 'other bytes run than those of that version on offer',
    make: (host) => {
      const id = NEW.id.replace('3f9c', 'aaaa');
      runs(host, { ...NEW, id });
      host.store.saveState({ name: 'committed', running: running({ ...NEW, id }) });
      const newest = { version: NEW.version, sequence: 42, expires: hours(-900), id: NEW.id };
      check(host, { newest, refusal: UP_TO_DATE });
    },
  },
  {
    name: 'kept although it was not healthy',
    make: (host) => {
      runs(host, NEW);
      const reason = 'https://127.0.0.1/: expected status 200, found 500';
      const proof = { rank: 'error', reason, at: hours(76), accepted: 'no-worse' } as const;
      host.store.saveState({ name: 'committed', running: { ...running(NEW, MID), proof } });
      check(host, { refusal: UP_TO_DATE });
    },
  },
  {
    name: 'a hold that makes no sense',
    make: (host) => {
      committed(host);
      writeFileSync(host.paths.hold, '');
    },
  },
  {
    name: 'outside of its window, with a limit a day',
    top: 'max_per_day = 4',
    toml: '[[windows]]\ndays = ["sat", "sun"]\nfrom = "02:00"\nto = "05:00"\ntimezone = "UTC"',
    make: (host) => {
      committed(host);
      const reason = 'no maintenance window is open: from 2026-04-25T02:00:00.000Z on (in 2 d 6 h)';
      check(host, { refusal: { code: 'outside-window', reason } });
    },
  },
  {
    name: 'a check failed, and it is tried again',
    make: (host) => {
      committed(host);
      check(host);
      const reason = "check 'nginx' failed: 'nginx' ended with 1: unknown directive \"servr\"";
      const failed: Clock = { ...NOW, uptimeMs: NOW.uptimeMs - 20_000 };
      writeAttempts(host.paths.attempts, withFailure([], 'install', NEW, reason, failed));
    },
  },
  {
    name: 'refused for good',
    make: (host) => {
      committed(host);
      const hint = 'update the updater on this node first';
      const reason = '1.7.42 needs updater >=2.0.0, this is 0.1.0';
      check(host, { refusal: { code: 'updater-too-old', reason, hint } });
    },
  },
  {
    name: 'a root document that ends soon',
    trust: 'trusted_root = "/etc/landfall/root.json"',
    make: (host) => {
      committed(host);
      writeRoot(host, { expires: hours(-48), asked: hours(3) });
    },
  },
  {
    name: 'two root documents of one version',
    trust: 'trusted_root = "/etc/landfall/root.json"',
    make: (host) => {
      committed(host);
      const reason =
        "two different root documents have version 3: 'a' shows 0123…, 'b' shows 4567…";
      writeRoot(host, { expires: hours(-4800), problem: reason });
      const hint = 'ask the maintainers at once';
      check(host, { newest: undefined, refusal: { code: 'root-equivocation', reason, hint } });
    },
  },
  {
    name: 'available, as of a check that changed nothing',
    make: (host) => {
      committed(host);
      check(host);
    },
  },
  {
    name: 'nobody checks any more',
    make: (host) => {
      runs(host, NEW);
      host.store.saveState({ name: 'committed', running: running(NEW, MID) });
      check(host, { at: hours(80), refusal: UP_TO_DATE });
    },
  },
  {
    name: 'no mirror can be gone by for days',
    make: (host) => {
      runs(host, NEW);
      host.store.saveState({ name: 'committed', running: running(NEW, MID) });
      check(host, { at: hours(77), refusal: UP_TO_DATE });
      const problems = ['a', 'b', 'c'].map((mirror) => ({
        mirror,
        problem: 'timed out after 15 s',
      }));
      const hint = 'check the network';
      for (const ago of [76, 0.5]) {
        const failed = { at: hours(ago), problems, mirrors: 3, hint };
        const { lastCheck } = host.paths;
        writeLastCheck(lastCheck, withFailedCheck(readLastCheck(lastCheck), failed));
      }
    },
  },
  {
    name: 'no mirror could be gone by, and nobody asks any more',
    make: (host) => {
      committed(host);
      const problems = [
        { mirror: 'a', problem: 'shows nothing' },
        { mirror: 'a', problem: 'is behind with what is halted' },
      ];
      const failed = { at: hours(80), problems, mirrors: 1, hint: undefined };
      writeLastCheck(host.paths.lastCheck, withFailedCheck(undefined, failed));
    },
  },
  {
    name: 'a corrupt state file, a link moved by hand, and much in quarantine',
    make: (host) => {
      committed(host);
      for (const patch of [1, 2, 3, 4, 5]) {
        host.store.quarantineRelease(
          { deployment: release(`1.6.${patch}`), reason: 'status 500' },
          hours(100 - patch),
        );
      }
      writeFileSync(`${host.paths.floor}.corrupt-1`, '{');
      check(host);
    },
  },
  {
    name: 'mirrors that contradict each other, after the state was restored',
    make: (host) => {
      committed(host);
      const lost = "expected sequence 41 of channel 'stable', found 39";
      host.store.floorKeeper.keepLost(
        `the state was restored from a backup, or lost: ${lost}`,
        hours(9),
      );
      const reason =
        "two different manifests have sequence 42: 'a' shows 1.7.42 (3f9c2a71b0de…), …";
      const hint = 'both are signed, and neither is installed: ask the maintainer at once';
      check(host, {
        refusal: { code: 'equivocation', reason, hint },
        warnings: [{ code: 'equivocation', reason, hint }],
      });
    },
  },
  {
    name: 'a release that ends soon',
    make: (host) => {
      runs(host, NEW);
      host.store.saveState({ name: 'committed', running: running(NEW, MID) });
      const reason =
        '1.7.42 (sequence 42) ends 2026-05-01T00:00:00Z, and no mirror shows anything newer';
      const hint =
        "ask the maintainer for 'release renew'; after that nothing is installed from it";
      check(host, { refusal: UP_TO_DATE, warnings: [{ code: 'expiring', reason, hint }] });
    },
  },
];

/** The node as a later start finds it. */
function screenOf({ toml, top, trust, make }: Scene): string[] {
  const host = makeHost({ toml: toml ?? '', top: top ?? '', ...(trust ? { trust } : {}) });
  make(host);
  const store = new Store(host.paths, { preserve: false });
  const view = readStatus({ ...host, store }, NOW);
  expect(JSON.parse(JSON.stringify(view)), 'all of it can be told as JSON').toMatchObject({
    app: 'archipelago',
    advice: view.advice,
  });
  const folder = host.paths.root.replace(/\/root$/, '');
  return toScreen(view, NOW.now).map((line) => line.replaceAll(folder, '/srv/node'));
}

describe('the screen', () => {
  it.each(SCENES)('of a node: $name', (scene) => {
    const lines = screenOf(scene);
    expect(lines.length).toBeLessThanOrEqual(24);
    expect(fit(lines, 100).length).toBeLessThanOrEqual(24);
    expect(lines.at(-1)).toMatch(/^to do {8}\S/);
    expect(`\n${lines.join('\n')}\n`).toMatchSnapshot();
  });

  it('goes on in a second line where it is narrow, and not in a third', () => {
    const line = `quarantine   1.7.39 since then: ${'much to say '.repeat(20)}`;
    expect(fit(['short', line], 60)).toStrictEqual([
      'short',
      'quarantine   1.7.39 since then: much to say much to say much',
      '             to say much to say much to say much to say muc…',
    ]);
  });
});
