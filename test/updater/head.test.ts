/** What the head of an index spares a node, and that it hides nothing where it can be seen to be wrong. */
import { chmodSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { generateKeyPair } from '@landfall/minisign';
import { openMirrors } from '@landfall/mirrors';
import { describe, expect, it } from 'vitest';
import { MirrorError } from '../../mirrors/errors.ts';
import { digestOf, formatHead, HEAD_PATH, MAX_HEAD_BYTES, parseHead } from '../../mirrors/head.ts';
import { IndexMemory, type RememberedFile, type Tagged } from '../../mirrors/index-memory.ts';
import type { TestHost } from '../harness/host.ts';
import {
  HALT,
  indexOf,
  lookAndKeep,
  lookedOnce,
  MANIFEST,
  publish,
  release,
  resumeOf,
  sequenceOf,
  SIGNATURES,
  toLines,
  watchServers,
} from '../harness/looks.ts';
import { giteaScene } from '../harness/gitea-scene.ts';
import { filesOf, prepare } from '../harness/index-scene.ts';
import { putHalt } from '../harness/halts.ts';
import { put } from '../harness/mirror-folder.ts';
import { startNginx } from '../harness/nginx.ts';
import { policyOf } from '../harness/signed-manifests.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const QUIET = [`${HEAD_PATH} 304`];
const UNCHANGED = [`${HALT} 304`, `${MANIFEST} 304`];

/** A node that has looked twice at two mirrors with heads, so that the next look may rely on them. */
async function lookedTwice(
  ...args: Parameters<typeof lookedOnce>
): Promise<Awaited<ReturnType<typeof lookedOnce>>> {
  const scene = await lookedOnce(...args);
  for (const folder of scene.folders) await publish(folder);
  expect((await lookAndKeep(scene.host)).isKept).toBe(true);
  return scene;
}

/** A look, and what it asked of the mirrors. */
function watchLooks(
  host: TestHost,
): () => Promise<{ sequence: number | string; serial: number; asked: string[] }> {
  const { exchanges } = watchServers();
  return async () => {
    const { look } = await lookAndKeep(host);
    expect(look.problems).toEqual([]);
    const { serial } = look.halts;
    // That there is none by a key's id is asked for with what changed.
    const lines = toLines(exchanges.splice(0)).filter(
      (line) => !/[0-9A-F]\.minisig 404$/.test(line),
    );
    return { sequence: sequenceOf(look), serial, asked: lines };
  };
}

describe('a look at mirrors with heads', () => {
  it('asks each one question when nothing is new', async () => {
    const { host } = await lookedTwice();
    const { exchanges, bytes } = watchServers();
    const { look, isKept } = await lookAndKeep(host);
    expect(sequenceOf(look)).toBe(4);
    expect([...look.halts.halted.keys()]).toEqual(['1.0.4']);
    expect(look.problems).toEqual([]);
    expect(toLines(exchanges)).toEqual([...QUIET, ...QUIET]);
    expect(bytes(), 'headers alone').toBeLessThan(2 * 700);
    expect(isKept, 'nothing is written down twice').toBe(false);
  });

  it('sees a release, a halt and its end at once, and asks for nothing more than that', async () => {
    const { host, key, folders } = await lookedTwice();
    const look = watchLooks(host);
    const [first = ''] = folders;
    const fifth = indexOf(release(key, 5));
    for (const folder of folders) await publish(folder, fifth);
    const head = `${HEAD_PATH} 200`;
    const manifest = [`${MANIFEST} 200`, `${MANIFEST}.minisig 200`];
    const shipped = [head, `${HALT} 304`, ...manifest];
    const release5 = await look();
    expect(release5).toMatchObject({ sequence: 5, serial: 1 });
    expect(release5.asked).toEqual([...shipped, ...shipped].toSorted());
    expect((await look()).asked).toEqual([...QUIET, ...QUIET]);
    for (const folder of folders) await publish(folder, resumeOf(key, 2));
    const resumed = await look();
    expect(resumed).toMatchObject({ sequence: 5, serial: 2 });
    const halts = [head, `${HALT} 200`, `${HALT}.minisig 200`, `${MANIFEST} 304`];
    expect(resumed.asked).toEqual([...halts, ...halts].toSorted());
    expect((await look()).asked).toEqual([...QUIET, ...QUIET]);
    const beta = indexOf(release(key, 9), 'releases/beta/manifest.json');
    for (const folder of folders) await publish(folder, beta);
    expect(await look()).toMatchObject({ sequence: 5, asked: [head, head] });
    rmSync(join(first, HEAD_PATH));
    const lost = [...UNCHANGED, `${HEAD_PATH} 404`, ...QUIET].toSorted();
    expect(await look()).toMatchObject({ sequence: 5, asked: lost });
    expect((await look()).asked).toEqual([...UNCHANGED, ...QUIET].toSorted());
  });

  it('believes a head that is wrong about one file for no other', async () => {
    const { host, key, folders } = await lookedTwice();
    const look = watchLooks(host);
    for (const folder of folders) {
      const head = new Map(parseHead(readFileSync(join(folder, HEAD_PATH))));
      put(folder, HEAD_PATH, formatHead(head.set(MANIFEST, '0'.repeat(64))) ?? '');
      putHalt(folder, key, { serial: 2, halted: [] });
    }
    expect(await look()).toMatchObject({ sequence: 4, serial: 2 });
  });

  it('asks everything anew of whom others sign for now, whatever the head says', async () => {
    const { host } = await lookedTwice();
    const config = { ...host.config, policy: policyOf([generateKeyPair()]) };
    const later = { ...host, config };
    const { exchanges } = watchServers();
    await expect(lookAndKeep(later)).rejects.toMatchObject({ code: 'NO_MANIFEST' });
    expect(toLines(exchanges)).toEqual(
      expect.arrayContaining([`${MANIFEST} 200`, `${SIGNATURES[0]} 200`]),
    );
  });

  it('asks a Gitea server one question, until a commit holds something else', async () => {
    const { server, writer, place } = await giteaScene();
    await writer.writeIndex(await prepare([writer], 1), {});
    const limits = { maxBytes: 10_000, deadlineMs: 10_000 };
    let known: RememberedFile[] = [];
    const asked = async (sequence: number): Promise<number> => {
      const before = server.requests.length;
      const memory = new IndexMemory(known);
      const { url, repository } = place;
      const config = { type: 'gitea' as const, name: 'north', url, repository };
      const [mirror] = openMirrors([config], { memory });
      const paths = [MANIFEST, `${MANIFEST}.minisig`, HALT];
      const read = await Promise.all(paths.map(async (path) => mirror?.readIndex(path, limits)));
      expect(read).toEqual([...filesOf(sequence).values(), undefined]);
      known = memory.toKeep([mirror?.address ?? '']) ?? known;
      return server.requests.length - before;
    };
    expect([await asked(1), await asked(1), await asked(1)]).toEqual([3, 1, 1]);
    await writer.writeIndex(await prepare([writer], 2), {});
    expect([await asked(2), await asked(2)]).toEqual([4, 1]);
  });

  it('sees through nginx what was published twice in one second', async () => {
    const { host, key, folders } = await lookedTwice(async (root) => {
      chmodSync(root, 0o755);
      return (await startNginx({ folder: temporaryFolder(), root })).url;
    });
    const before = statSync(join(folders[0] ?? '', HEAD_PATH));
    for (const sequence of [5, 6]) {
      const next = indexOf(release(key, sequence));
      for (const folder of folders) await publish(folder, next);
      const { look } = await lookAndKeep(host);
      expect(sequenceOf(look)).toBe(sequence);
    }
    const after = statSync(join(folders[0] ?? '', HEAD_PATH));
    expect(Math.floor(after.mtimeMs / 1000)).toBeGreaterThan(Math.floor(before.mtimeMs / 1000) + 1);
    expect(after.size).toBe(before.size);
  });
});

describe('a head', () => {
  const address = 'http://a';
  const hour = 3_600_000;
  const bytes = Buffer.from('{}');
  const at = 1000;
  const known: RememberedFile[] = [
    { address, path: MANIFEST, bytes, etag: '"m"', at },
    { address, path: HALT, at },
  ];
  const right = formatHead(new Map([[MANIFEST, digestOf(bytes)]])) ?? Buffer.alloc(0);

  /** Reads both files through a head that `answer` gives; what was asked for. */
  async function asked(
    files: readonly RememberedFile[],
    now: number,
    answer: () => Tagged,
  ): Promise<{ paths: string[]; kept: RememberedFile[] | undefined }> {
    const paths: string[] = [];
    const memory = new IndexMemory(files, now);
    const ask = async (path: string, etag: string | undefined): Promise<Tagged> => {
      paths.push(path);
      if (path === HEAD_PATH) return answer();
      if (path === HALT) return undefined;
      return etag === undefined ? { bytes, etag: '"m"' } : 'unchanged';
    };
    const read = await Promise.all([MANIFEST, HALT].map((path) => memory.read(address, path, ask)));
    expect(read).toEqual([bytes, undefined]);
    return { paths: paths.toSorted(), kept: memory.toKeep([address]) };
  }

  it('is written the same for the same files, in whatever order', () => {
    const files: [string, string][] = [MANIFEST, HALT, 'releases/a.b/halt.json'].map((path) => [
      path,
      digestOf(Buffer.from(path)),
    ]);
    const head = formatHead(new Map(files));
    expect(head).toEqual(formatHead(new Map(files.toReversed())));
    expect(parseHead(head ?? bytes)).toEqual(new Map(files));
    const many = Array.from(
      { length: 700 },
      (_, index) => [`releases/c${index}/halt.json`, '0'.repeat(64)] as const,
    );
    expect(formatHead(new Map(many))).toBeUndefined();
  });

  it('is believed for a day, of files that were sent within it', async () => {
    const sent = { bytes: right, etag: '"h"' };
    const { paths, kept = [] } = await asked(known, at + 1, () => sent);
    expect(paths).toEqual([HEAD_PATH]);
    expect((await asked(kept, at + 24 * hour - 1, () => 'unchanged')).paths).toEqual([HEAD_PATH]);
    expect((await asked(kept, at + 24 * hour, () => 'unchanged')).paths).toEqual([HALT, MANIFEST]);
    const news = new Map(parseHead(right)).set(HALT, digestOf(bytes));
    const more = { bytes: formatHead(news) ?? bytes, etag: '"n"' };
    expect((await asked(kept, at + 2, () => more)).paths).toContain(HALT);
  });

  const text = (change: (text: string) => string): Buffer =>
    Buffer.from(change(Buffer.from(right).toString()));
  it.each<[string, () => Tagged]>([
    ['is not there', () => undefined],
    ['is empty', () => ({ bytes: Buffer.alloc(0), etag: '"h"' })],
    ['is a page', () => ({ bytes: Buffer.from('<!doctype html>'), etag: '"h"' })],
    ['is null', () => ({ bytes: Buffer.from('null'), etag: '"h"' })],
    ['is cut off', () => ({ bytes: right.subarray(0, -3), etag: '"h"' })],
    [
      'is of another kind',
      () => ({ bytes: text((each) => each.replace('head', 'tail')), etag: '"h"' }),
    ],
    [
      'is of another schema',
      () => ({ bytes: text((each) => each.replace('1', '2')), etag: '"h"' }),
    ],
    [
      'names a list',
      () => ({ bytes: Buffer.from('{"schema":1,"kind":"head","files":[]}'), etag: '"h"' }),
    ],
    [
      'names no digest',
      () => ({ bytes: text((each) => each.replace(/[0-9a-f]{64}/, 'x')), etag: '"h"' }),
    ],
    [
      'names other files',
      () => ({ bytes: text((each) => each.replace('releases/', '../')), etag: '"h"' }),
    ],
    ['is no text', () => ({ bytes: Buffer.concat([right, Buffer.from([0xff])]), etag: '"h"' })],
    [
      'is huge',
      () => ({ bytes: Buffer.concat([right, Buffer.alloc(MAX_HEAD_BYTES, ' ')]), etag: '"h"' }),
    ],
    [
      'cannot be read',
      () => {
        throw new MirrorError('BAD_ANSWER', 'a', 'sends a page');
      },
    ],
  ])('that %s is done without for an hour', async (_how, answer) => {
    const never = (): never => expect.fail('asked for the head again');
    const { paths, kept = [] } = await asked(known, at + 1, answer);
    expect(paths).toEqual([HALT, HEAD_PATH, MANIFEST].toSorted());
    expect((await asked(kept, at + hour, never)).paths).toEqual([HALT, MANIFEST]);
    const sent = { bytes: right, etag: '"h"' };
    expect((await asked(kept, at + hour + 1, () => sent)).paths).toEqual([HEAD_PATH]);
  });

  it('is not forgotten while its mirror is down', async () => {
    const { kept = [] } = await asked(known, at + 1, () => ({ bytes: right, etag: '"h"' }));
    const down = new MirrorError('UNREACHABLE', 'a', 'is down');
    const { paths, kept: after } = await asked(kept, at + 2, () => {
      throw down;
    });
    expect(paths).toEqual([HALT, HEAD_PATH, MANIFEST].toSorted());
    expect(after).toBeUndefined();
  });

  it('is not asked for by who remembers nothing', async () => {
    expect((await asked([], at, () => expect.fail('asked for the head'))).paths).toEqual([
      HALT,
      MANIFEST,
    ]);
  });
});
