/** Asking all mirrors at once: no bad one has a veto, and each is named with its problem. */
import { openMirrors, type Survey, surveyMirrors } from '@landfall/mirrors';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startFaultyMirror } from '../harness/faulty-mirror.ts';
import { MANIFEST, SIGNATURE, startHostileMirror } from '../harness/hostile-mirror.ts';
import type { Fault, FaultyServer } from '../harness/http-faults.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { mirrorFolder, put, type SmallRelease, smallRelease } from '../harness/mirror-folder.ts';
import { policyOf, signAll } from '../harness/signed-manifests.ts';

const APP = 'archipelago';
const KEY_COUNT = 2;

async function serve(folder: string, fault?: Fault): Promise<FaultyServer> {
  const server = await startFaultyMirror(folder, fault);
  onTestFinished(() => server.stop());
  return server;
}

function survey(
  servers: readonly { url: string }[],
  keys: readonly Parameters<typeof smallRelease>[0][number][],
  options: { deadlineMs?: number; threshold?: number } = {},
): Promise<Survey> {
  const names = ['north', 'south', 'east', 'west'];
  const mirrors = openMirrors(
    servers.map(({ url }, index) => ({ type: 'directory', url, name: names[index] ?? 'more' })),
  );
  return surveyMirrors(mirrors, {
    app: APP,
    policy: policyOf(keys, options.threshold ?? 1),
    limits: { deadlineMs: options.deadlineMs ?? 5000 },
  });
}

const summary = ({ rows }: Survey): string[] =>
  rows.map((row) => `${row.mirror.name}: ${row.problem?.code ?? row.verified?.manifest.sequence}`);

describe('a survey', () => {
  it('finds the highest sequence, and who has it', async () => {
    const keys = [testKey()];
    const [old, current] = [smallRelease(keys, 3), smallRelease(keys, 4)];
    const servers = [
      await serve(mirrorFolder(old)),
      await serve(mirrorFolder(current)),
      await serve(mirrorFolder(current)),
    ];
    const found = await survey(servers, keys);
    expect(summary(found)).toEqual(['north: 3', 'south: 4', 'east: 4']);
    expect(found.best?.manifest.version).toBe('1.0.4');
    expect(found.holders.map(({ name }) => name).toSorted()).toEqual(['east', 'south']);
    expect(found.equivocation).toBeUndefined();
  });

  it('names the holders fastest first', async () => {
    const keys = [testKey()];
    const release = smallRelease(keys, 4);
    const slow = await serve(mirrorFolder(release), { kind: 'delay', ms: 300 });
    const fast = await serve(mirrorFolder(release));
    const found = await survey([slow, fast], keys);
    expect(found.holders.map(({ name }) => name)).toEqual(['south', 'north']);
    expect(found.rows[0]?.ms).toBeGreaterThan(290);
  });

  it.each<[string, Fault, string]>([
    ['cuts connections', { kind: 'drop-before' }, 'UNREACHABLE'],
    ['answers 502', { kind: 'status', status: 502 }, 'BAD_ANSWER'],
    ['answers late', { kind: 'delay', ms: 60_000 }, 'TIMEOUT'],
    ['stalls', { kind: 'stall' }, 'TIMEOUT'],
    ['trickles', { kind: 'slow', bytesPerSecond: 20 }, 'TIMEOUT'],
    ['truncates', { kind: 'truncate' }, 'UNREACHABLE'],
    ['serves half as if it were whole', { kind: 'short' }, 'UNTRUSTED'],
    ['serves wrong bytes', { kind: 'wrong-bytes' }, 'UNTRUSTED'],
    ['serves HTML with 200', { kind: 'html' }, 'BAD_ANSWER'],
    ['serves a body without an end', { kind: 'endless' }, 'TOO_LARGE'],
    ['redirects elsewhere', { kind: 'redirect', to: 'http://127.0.0.1:9/x' }, 'REDIRECT_REFUSED'],
  ])('succeeds beside a mirror that %s, and names it', async (_, fault, code) => {
    const keys = [testKey()];
    const release = smallRelease(keys, 4);
    const servers = [await serve(mirrorFolder(release), fault), await serve(mirrorFolder(release))];
    const started = performance.now();
    const found = await survey(servers, keys, { deadlineMs: 1000 });
    expect(summary(found)).toEqual([`north: ${code}`, 'south: 4']);
    expect(found.best?.manifest.sequence).toBe(4);
    expect(found.holders.map(({ name }) => name)).toEqual(['south']);
    expect(performance.now() - started).toBeLessThan(3000);
  });

  it('succeeds beside a mirror that is down, empty, or has no signature', async () => {
    const keys = [testKey()];
    const release = smallRelease(keys, 4);
    const unsigned = mirrorFolder();
    put(unsigned, 'releases/manifest.json', release.bytes);
    const servers = [
      await serve(mirrorFolder(release)),
      await serve(mirrorFolder(release)),
      await serve(mirrorFolder()),
      await serve(unsigned),
    ];
    await servers[0]?.stop();
    const found = await survey(servers, keys);
    expect(summary(found)).toEqual([
      'north: UNREACHABLE',
      'south: 4',
      'east: NOT_FOUND',
      'west: UNTRUSTED',
    ]);
  });

  it('ends at the deadline when every mirror stalls', async () => {
    const keys = [testKey()];
    const release = smallRelease(keys, 4);
    const stalled = await Promise.all(
      [1, 2, 3].map(() => serve(mirrorFolder(release), { kind: 'stall' })),
    );
    const started = performance.now();
    const found = await survey(stalled, keys, { deadlineMs: 500 });
    expect(found.best).toBeUndefined();
    expect(found.holders).toEqual([]);
    expect(performance.now() - started).toBeLessThan(1500);
  });

  it('refuses what a stranger signed, and another app', async () => {
    const [key, stranger] = [testKey(), testKey()];
    const other = smallRelease([key], 9, (manifest) => (manifest.app = 'other'));
    const servers = [
      await serve(mirrorFolder(smallRelease([stranger], 9))),
      await serve(mirrorFolder(other)),
      await serve(mirrorFolder(smallRelease([key], 4))),
    ];
    const found = await survey(servers, [key]);
    expect(summary(found)).toEqual(['north: UNTRUSTED', 'south: WRONG_APP', 'east: 4']);
    expect(found.best?.manifest.sequence).toBe(4);
  });

  it('stops with the reason it was given', async () => {
    const keys = [testKey()];
    const { url } = await serve(mirrorFolder(smallRelease(keys, 4)), { kind: 'stall' });
    const reason = new Error('enough');
    const options = { app: APP, policy: policyOf(keys), signal: AbortSignal.abort(reason) };
    await expect(surveyMirrors(openMirrors([{ type: 'directory', url }]), options)).rejects.toBe(
      reason,
    );
  });
});

describe('two manifests of one sequence', () => {
  const twins = (keys: Parameters<typeof smallRelease>[0], sequence: number): SmallRelease[] => [
    smallRelease(keys, sequence),
    smallRelease(keys, sequence, (manifest) => (manifest.notes = 'another')),
  ];

  it('are reported and none of them chosen', async () => {
    const keys = [testKey()];
    const [one, other] = twins(keys, 5);
    const servers = [
      await serve(mirrorFolder(one)),
      await serve(mirrorFolder(other)),
      await serve(mirrorFolder(smallRelease(keys, 4))),
    ];
    const found = await survey(servers, keys);
    expect(found.best).toBeUndefined();
    expect(found.holders).toEqual([]);
    expect(found.equivocation?.map(({ mirror }) => mirror.name)).toEqual(['north', 'south']);
  });

  it('are reported also when a newer one is there', async () => {
    const keys = [testKey()];
    const [one, other] = twins(keys, 3);
    const servers = [
      await serve(mirrorFolder(one)),
      await serve(mirrorFolder(other)),
      await serve(mirrorFolder(smallRelease(keys, 4))),
    ];
    const found = await survey(servers, keys);
    expect(found.best?.manifest.sequence).toBe(4);
    expect(found.equivocation?.map(({ mirror }) => mirror.name)).toEqual(['north', 'south']);
  });
});

describe('signatures', () => {
  it('are gathered from every file that a key may have', async () => {
    const keys = [testKey(), testKey()];
    const release = smallRelease(keys, 4);
    const folder = mirrorFolder(release);
    const [, second = ''] = signAll(release.bytes, keys);
    const id = Buffer.from(keys[1]?.keyId.toReversed() ?? [])
      .toString('hex')
      .toUpperCase();
    put(folder, `releases/manifest.json.${id.replace(/^0+/, '')}.minisig`, second);
    const servers = [await serve(folder), await serve(mirrorFolder(release))];
    const found = await survey(servers, keys, { threshold: KEY_COUNT });
    expect(summary(found)).toEqual(['north: 4', 'south: UNTRUSTED']);
  });

  it('one further key is enough when the first is not known here', async () => {
    const [unknown, known] = [testKey(), testKey()];
    const release = smallRelease([unknown], 4);
    const folder = mirrorFolder(release);
    const [signature = ''] = signAll(release.bytes, [known]);
    const id = Buffer.from(known.keyId.toReversed()).toString('hex').toUpperCase();
    put(folder, `releases/manifest.json.${id.replace(/^0+/, '')}.minisig`, signature);
    expect(summary(await survey([await serve(folder)], [known]))).toEqual(['north: 4']);
  });

  it('are read once more when they do not fit, since a mirror writes two files', async () => {
    const key = testKey();
    const [old, current] = [smallRelease([key], 3), smallRelease([key], 4)];
    const server = await startHostileMirror();
    server.files.set(MANIFEST, Buffer.from(current.bytes));
    server.lie = (path, honest, count) => {
      if (path !== SIGNATURE) return honest;
      return count === 0 ? old.signature : current.signature;
    };
    expect(summary(await survey([server], [key]))).toEqual(['north: 4']);
    const manifests = server.requests.filter(({ url }) => url === `/${MANIFEST}`);
    expect(manifests).toHaveLength(2);
  });
});
