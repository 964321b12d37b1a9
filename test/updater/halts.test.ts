/** What is halted: whose word counts, what is kept of it, and what a node makes of it. */
import { writeFileSync } from 'node:fs';
import { generateKeyPair, type SecretKey } from '@landfall/minisign';
import { describe, expect, it, onTestFinished } from 'vitest';
import { concludeHalts, keepHalts, keptHalts } from '../../updater/halts.ts';
import { openHost } from '../../updater/host.ts';
import { type Look, lookAtMirrors } from '../../updater/mirrors.ts';
import { judgeOffer } from '../../updater/offer.ts';
import { errorOf } from '../harness/errors.ts';
import { startFaultyMirror } from '../harness/faulty-mirror.ts';
import { putHalt } from '../harness/halts.ts';
import { makeHost, type TestHost } from '../harness/host.ts';
import type { Fault } from '../harness/http-faults.ts';
import { mirrorFolder, put, smallRelease } from '../harness/mirror-folder.ts';
import { exampleOffer } from '../harness/offers.ts';
import { policyOf } from '../harness/signed-manifests.ts';

const AT = '2026-04-22T19:00:00Z';
const PATH = 'releases/halt.json';
const halting = (
  ...versions: string[]
): { halted: { version: string; reason: string; at: string }[] } => ({
  halted: versions.map((version) => ({ version, reason: 'answers 500', at: AT })),
});

/** A node that believes `key` and asks these mirrors: folders or addresses. */
function nodeOf(key: SecretKey, mirrors: readonly string[]): TestHost {
  const host = makeHost();
  const config = {
    ...host.config,
    policy: policyOf([key]),
    mirrors: mirrors.map((where, index) => ({
      type: 'directory' as const,
      name: `mirror-${index + 1}`,
      ...(where.startsWith('/') ? { path: where } : { url: where }),
    })),
  };
  return { ...host, config };
}

const namesOf = ({ mirrors }: Look): string[] => mirrors.map(({ name }) => name);
const problemsOf = (look: Look): string[] =>
  look.problems.map(({ mirror, problem }) => `${mirror} ${problem}`);
const sequenceOf = ({ newest }: Look): number | string =>
  'code' in newest ? newest.code : newest.manifest.sequence;

describe('what is halted', () => {
  it('is what the highest serial says, whoever shows it; the others are told to be behind', async () => {
    const key = generateKeyPair();
    const release = smallRelease([key], 4);
    const [old, newer, none] = [
      mirrorFolder(release),
      mirrorFolder(release),
      mirrorFolder(release),
    ];
    putHalt(old, key, { serial: 1, ...halting('1.0.2', '1.0.3') });
    putHalt(newer, key, { serial: 2, ...halting('1.0.4') });
    const look = await lookAtMirrors(nodeOf(key, [old, newer, none]));
    expect([...look.halts.halted.keys()]).toEqual(['1.0.4']);
    expect(look.halts.serial).toBe(2);
    expect(problemsOf(look)).toEqual([
      'mirror-1 is behind with what is halted: expected serial 2, found serial 1',
      'mirror-3 is behind with what is halted: expected serial 2, found none',
    ]);
    expect(sequenceOf(look), 'they are sources all the same').toBe(4);
  });

  it('is kept with signatures that count: new ones over the same bytes are written down', async () => {
    const [before, after] = [generateKeyPair(), generateKeyPair()];
    const [old, anew] = [before, after].map((key) => mirrorFolder(smallRelease([key], 4)));
    putHalt(old ?? '', before, { serial: 2, ...halting('1.0.4') });
    putHalt(anew ?? '', after, { serial: 2, ...halting('1.0.4') });
    const host = nodeOf(before, [old ?? '']);
    keepHalts(host, (await lookAtMirrors(host)).halts);
    const later = { ...nodeOf(after, [anew ?? '']), store: host.store };
    keepHalts(later, (await lookAtMirrors(later)).halts);
    const { halted } = concludeHalts(later, policyOf([after]), [], 'alpha');
    expect([...halted.keys()]).toEqual(['1.0.4']);
  });

  it('stays halted when no mirror shows it any more, until a higher serial resumes it', async () => {
    const key = generateKeyPair();
    const release = smallRelease([key], 4);
    const mirror = mirrorFolder(release);
    const host = nodeOf(key, [mirror]);
    expect(keptHalts(host).serial, 'nothing was seen yet').toBe(0);
    putHalt(mirror, key, { serial: 7, ...halting('1.0.4') });
    const seen = await lookAtMirrors(host);
    keepHalts(host, seen.halts);
    keepHalts(host, seen.halts);
    expect(host.notes).toEqual([`1.0.4 was halted by its maintainer at ${AT}: answers 500`]);
    expect(host.journal.read()).toMatchObject([{ halt: 7, halted: ['1.0.4'] }]);

    const without = { ...nodeOf(key, [mirrorFolder(release)]), store: host.store };
    const look = await lookAtMirrors(without);
    expect(look.halts.halted.has('1.0.4')).toBe(true);
    expect(problemsOf(look)).toEqual([
      'mirror-1 is behind with what is halted: expected serial 7, found none',
    ]);
    putHalt(mirror, key, { serial: 6, halted: [] });
    expect((await lookAtMirrors(host)).halts.halted.has('1.0.4'), 'an old one').toBe(true);
    putHalt(mirror, key, { serial: 8, halted: [] });
    const { halts } = await lookAtMirrors(host);
    expect(halts.halted.size).toBe(0);
    keepHalts(host, halts);
    expect(host.notes.at(-1)).toBe('1.0.4 is not halted any more');
    expect(keptHalts(host).serial).toBe(8);
  });

  it('can be read back however many files of one serial were signed', async () => {
    const key = generateKeyPair();
    const mirror = mirrorFolder(smallRelease([key], 4));
    const host = nodeOf(key, [mirror]);
    for (let patch = 0; patch < 12; patch += 1) {
      putHalt(mirror, key, { serial: 2, ...halting(`1.0.${patch}`) });
      const { halts } = await lookAtMirrors(host);
      expect(halts.halted.has(`1.0.${patch}`), 'what a mirror shows counts').toBe(true);
      keepHalts(host, halts);
    }
    const { store } = openHost(host.config, { ...host, preserve: true });
    expect(store.corrupt).toEqual([]);
    const kept = [...keptHalts({ ...host, store }).halted.keys()];
    expect(kept.toSorted(), 'what was seen first').toEqual(
      Array.from({ length: 8 }, (_, patch) => `1.0.${patch}`),
    );
    const lines = host.journal.read().length;
    keepHalts(host, (await lookAtMirrors(host)).halts);
    expect(host.journal.read()).toHaveLength(lines);
  });

  it('is what either says of two files of one serial, and both mirrors are named', async () => {
    const key = generateKeyPair();
    const release = smallRelease([key], 4);
    const folders = [mirrorFolder(release), mirrorFolder(release)];
    putHalt(folders[0] ?? '', key, { serial: 2, ...halting('1.0.3') });
    putHalt(folders[1] ?? '', key, { serial: 2, ...halting('1.0.4') });
    const host = nodeOf(key, folders);
    const look = await lookAtMirrors(host);
    expect([...look.halts.halted.keys()].toSorted()).toEqual(['1.0.3', '1.0.4']);
    expect(problemsOf(look)).toEqual([
      expect.stringMatching(/^mirror-1 shows one of 2 different halt files of serial 2/),
      expect.stringMatching(/^mirror-2 shows one of 2 different halt files of serial 2/),
    ]);
    keepHalts(host, look.halts);
    const kept = concludeHalts(host, policyOf([key]), [], 'alpha');
    expect([...kept.halted.keys()].toSorted()).toEqual(['1.0.3', '1.0.4']);
  });

  it('is forgotten when the keys that said it do not count any more: a thief holds nothing for good', async () => {
    const [stolen, key] = [generateKeyPair(), generateKeyPair()];
    const mirror = mirrorFolder(smallRelease([stolen], 4));
    const host = nodeOf(stolen, [mirror]);
    putHalt(mirror, stolen, { serial: Number.MAX_SAFE_INTEGER, ...halting('1.0.4', '1.0.5') });
    keepHalts(host, (await lookAtMirrors(host)).halts);
    expect(concludeHalts(host, policyOf([stolen]), [], 'alpha').halted.has('1.0.5')).toBe(true);
    const repaired = mirrorFolder(smallRelease([key], 5));
    const after = { ...nodeOf(key, [repaired]), store: host.store };
    expect((await lookAtMirrors(after)).halts.serial).toBe(0);
    keepHalts(after, (await lookAtMirrors(after)).halts);
    expect(after.notes.at(-1)).toBe('1.0.5 is not halted any more');
    putHalt(repaired, key, { serial: 1, ...halting('1.0.5') });
    expect((await lookAtMirrors(after)).halts).toMatchObject({ serial: 1 });
  });
});

describe('a mirror whose halt file cannot be gone by', () => {
  const unbelieved: [string, (folder: string, key: SecretKey) => void, string][] = [
    [
      'is signed by a stranger',
      (folder) => putHalt(folder, generateKeyPair()),
      'not signed by enough',
    ],
    ['is not signed', (folder) => put(folder, PATH, '{}'), 'not signed by enough'],
    ['is too large', (folder) => put(folder, PATH, 'x'.repeat(70_000)), '65536'],
    ['is of another app', (folder, key) => putHalt(folder, key, { app: 'atoll' }), 'another app'],
    [
      'is of another channel',
      (folder, key) => putHalt(folder, key, { channel: 'beta' }),
      'another channel',
    ],
  ];
  it.each(unbelieved)('for it %s is no source, and has no veto', async (_, spoil, words) => {
    const key = generateKeyPair();
    const [bad, good] = [
      mirrorFolder(smallRelease([key], 9)),
      mirrorFolder(smallRelease([key], 4)),
    ];
    spoil(bad, key);
    const look = await lookAtMirrors(nodeOf(key, [bad, good]));
    expect(sequenceOf(look)).toBe(4);
    expect(namesOf(look)).toEqual(['mirror-2', 'mirror-1']);
    expect(problemsOf(look)).toEqual([
      expect.stringMatching(/^mirror-1 its halt file cannot be gone by: /),
    ]);
    expect(problemsOf(look)[0]).toContain(words);
    expect(look.halts.serial).toBe(0);
    const error = await errorOf(() => lookAtMirrors(nodeOf(key, [bad])));
    expect(error, 'and when there is no other, nothing is installed').toMatchObject({
      code: 'NO_MANIFEST',
      message: expect.stringContaining(words) as string,
    });
  });

  it.each<[string, Fault]>([
    ['answers 500', { kind: 'status', status: 500 }],
    ['cuts connections', { kind: 'drop-before' }],
    ['serves a page of HTML', { kind: 'html' }],
    ['truncates it', { kind: 'truncate' }],
  ])('because the server %s there is no source either', async (_, fault) => {
    const key = generateKeyPair();
    const folder = mirrorFolder(smallRelease([key], 9));
    putHalt(folder, key);
    const server = await startFaultyMirror(folder);
    server.rules.push({ path: /halt\.json$/, fault });
    onTestFinished(() => server.stop());
    const good = mirrorFolder(smallRelease([key], 4));
    const look = await lookAtMirrors(nodeOf(key, [server.url, good]));
    expect(sequenceOf(look)).toBe(4);
    expect(problemsOf(look)[0]).toMatch(/^mirror-1 its halt file cannot be gone by: /);
  });
});

describe('a node', () => {
  it('does not install what is halted, not even by name, and goes on with what runs', () => {
    const host = makeHost();
    const halted = { version: '1.7.41-alpha', reason: 'answers 500', at: AT };
    const offer = { ...exampleOffer(), halted };
    const decline = judgeOffer(host.store, offer, { version: '1.7.41-alpha', byHand: true });
    expect(decline).toMatchObject({
      code: 'halted',
      reason: `1.7.41-alpha was halted by its maintainer at ${AT}: answers 500`,
    });
    const running = { deployment: offer.deployment, since: AT };
    host.store.saveState({ name: 'committed', running });
    expect(judgeOffer(host.store, offer, {})?.code).toBe('up-to-date');
  });

  it.each(['', '{"schema":1,', '{"schema":1,"halts":[{}]}'])(
    'installs nothing while its halt.json is corrupt: %j',
    (text) => {
      const host = makeHost();
      writeFileSync(host.paths.halts, text);
      const options = { signal: host.signal, note: () => {}, preserve: true };
      const opened = openHost(host.config, options);
      expect(opened.store.corrupt).toMatchObject([{ file: 'halt.json' }]);
      const again = openHost(host.config, options);
      expect(again.store.corrupt, 'as long as it lies there').toMatchObject([
        { file: 'halt.json', reason: 'found corrupt at an earlier start' },
      ]);
    },
  );
});
