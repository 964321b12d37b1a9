/** What a look costs when nothing is new, and that what is remembered is believed no more than what is served. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { generateKeyPair, type SecretKey } from '@landfall/minisign';
import { describe, expect, it, onTestFinished } from 'vitest';
import { IndexMemory, type Tagged } from '../../mirrors/index-memory.ts';
import { serveDirectory } from '../../mirrors/serve.ts';
import { asSettled } from '../../updater/settle.ts';
import { type Look, lookAtMirrors } from '../../updater/mirrors.ts';
import { update } from '../../updater/update.ts';
import { putHalt } from '../harness/halts.ts';
import { makeHost, type TestHost } from '../harness/host.ts';
import {
  fillMirror,
  mirrorFolder,
  put,
  smallRelease,
  type SmallRelease,
} from '../harness/mirror-folder.ts';
import { policyOf, signAll } from '../harness/signed-manifests.ts';

const AT = '2026-04-22T19:00:00Z';
const MANIFEST = 'releases/manifest.json';
const HALT = 'releases/halt.json';
const SIGNATURES = [`${MANIFEST}.minisig`, `${HALT}.minisig`];

interface Exchange {
  path: string;
  status: number;
}

/** Every exchange of this process's web servers from now on, and the bytes that went over their connections. */
function watchServers(): { exchanges: Exchange[]; bytes: () => number } {
  const exchanges: Exchange[] = [];
  const sockets = new Map<Socket, number>();
  const traffic = ({ bytesRead, bytesWritten }: Socket): number => bytesRead + bytesWritten;
  const onStart = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    if (!sockets.has(socket)) sockets.set(socket, 0);
  };
  const onFinish = (message: unknown): void => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse };
    exchanges.push({ path: request.url?.slice(1) ?? '', status: response.statusCode });
  };
  subscribe('http.server.request.start', onStart);
  subscribe('http.server.response.finish', onFinish);
  onTestFinished(() => {
    unsubscribe('http.server.request.start', onStart);
    unsubscribe('http.server.response.finish', onFinish);
  });
  const bytes = (): number => [...sockets.keys()].reduce((sum, each) => sum + traffic(each), 0);
  return { exchanges, bytes };
}

/** Good for ninety days from yesterday on. */
function release(key: SecretKey, sequence: number): SmallRelease {
  const inDays = (days: number): string =>
    new Date(Date.now() + days * 86_400_000).toISOString().replace(/\.\d+Z$/, 'Z');
  return smallRelease([key], sequence, (manifest) => {
    Object.assign(manifest, { published: inDays(-1), expires: inDays(89) });
  });
}

/** A node that has looked once at two mirrors, served by `mirrors serve`, with one release that is halted. */
async function lookedOnce(): Promise<{ host: TestHost; key: SecretKey; folders: string[] }> {
  const key = generateKeyPair();
  const published = release(key, 4);
  const folders = [1, 2].map(() => mirrorFolder(published));
  const mirrors = await Promise.all(
    folders.map(async (folder, index) => {
      putHalt(folder, key, {
        serial: 1,
        halted: [{ version: '1.0.4', reason: 'answers 500', at: AT }],
      });
      const served = await serveDirectory(folder, { host: '127.0.0.1', port: 0 });
      onTestFinished(() => served.close());
      return { type: 'directory' as const, name: `mirror-${index + 1}`, url: served.address };
    }),
  );
  const made = makeHost();
  const host = { ...made, config: { ...made.config, policy: policyOf([key]), mirrors } };
  const { decline } = await update(host, asSettled(host.store.state), {});
  expect(decline?.code, 'the node knows the newest, and does not take it').toBe('halted');
  return { host, key, folders };
}

const sequenceOf = ({ newest }: Look): number | string =>
  'code' in newest ? newest.code : newest.manifest.sequence;
const toLines = (exchanges: readonly Exchange[]): string[] =>
  exchanges.map(({ path, status }) => `${path} ${status}`).toSorted();

describe('a look at mirrors with nothing new', () => {
  it('asks each whether manifest and halt file have changed, and reads nothing', async () => {
    const { host } = await lookedOnce();
    const { exchanges, bytes } = watchServers();
    const look = await lookAtMirrors(host);
    expect(sequenceOf(look)).toBe(4);
    expect([...look.halts.halted.keys()]).toEqual(['1.0.4']);
    expect(look.problems).toEqual([]);
    const each = [`${HALT} 304`, `${MANIFEST} 304`];
    expect(toLines(exchanges)).toEqual([...each, ...each].toSorted());
    // Two questions and two answers a mirror, all of it headers.
    expect(bytes()).toBeLessThan(2 * 2 * 700);
    const again = look.memory.toKeep(look.mirrors.map(({ address }) => address));
    expect(again, 'nothing is written down twice').toBeUndefined();
  });

  it('sees what one mirror has new, with the signatures beside it, and no more of the other', async () => {
    const { host, key, folders } = await lookedOnce();
    fillMirror(folders[1] ?? '', release(key, 5));
    putHalt(folders[0] ?? '', key, { serial: 2, halted: [] });
    const { exchanges } = watchServers();
    const look = await lookAtMirrors(host);
    expect(sequenceOf(look)).toBe(5);
    expect(look.halts.serial).toBe(2);
    const changed = [`${HALT} 200`, `${MANIFEST} 200`, ...SIGNATURES.map((path) => `${path} 200`)];
    const same = [`${HALT} 304`, `${MANIFEST} 304`];
    const found = toLines(exchanges).filter((line) => !line.endsWith(' 404'));
    expect(found).toEqual([...changed, ...same].toSorted());
  });
});

describe('what is remembered', () => {
  it('is believed only as far as it is signed by those who count now; else all is asked for anew', async () => {
    const { host, folders } = await lookedOnce();
    const other = generateKeyPair();
    const later = { ...host, config: { ...host.config, policy: policyOf([other]) } };
    await expect(lookAtMirrors(later)).rejects.toMatchObject({ code: 'NO_MANIFEST' });
    for (const folder of folders) {
      for (const path of [MANIFEST, HALT]) {
        const [signature = ''] = signAll(readFileSync(`${folder}/${path}`), [other]);
        put(folder, `${path}.minisig`, signature);
      }
    }
    expect(sequenceOf(await lookAtMirrors(later))).toBe(4);
  });

  it.each([
    ['changed', (text: string) => text.replaceAll('"bytes":"ew', '"bytes":"fw')],
    ['cut off', (text: string) => text.slice(0, 500)],
    ['emptied', () => ''],
  ])('counts for nothing when it was %s on the disk', async (_how, change) => {
    const { host } = await lookedOnce();
    const before = readFileSync(host.paths.seen, 'utf8');
    expect(change(before)).not.toBe(before);
    writeFileSync(host.paths.seen, change(before));
    const look = await lookAtMirrors(host);
    expect(sequenceOf(look)).toBe(4);
    expect(look.problems).toEqual([]);
  });

  it('is asked about for a day, with short tags only, and never twice in a look', async () => {
    const day = 86_400_000;
    const [address, path] = ['http://a', MANIFEST];
    const bytes = Buffer.from('{}');
    const asked: (string | undefined)[] = [];
    const ask =
      (given: Tagged) =>
      (etag: string | undefined): Promise<Tagged> => {
        asked.push(etag);
        return Promise.resolve(given);
      };
    const known = [{ address, path, bytes, etag: '"a"', at: 1000 }];
    const look = new IndexMemory(known, 1000 + day - 1);
    expect(await look.read(address, path, ask('unchanged'))).toBe(bytes);
    expect(await look.read(address, path, ask({ bytes, etag: '"b"' }))).toBe(bytes);
    await new IndexMemory(known, 1000 + day).read(address, path, ask(undefined));
    await new IndexMemory(known, 999).read(address, path, ask(undefined));
    expect(asked.splice(0)).toEqual(['"a"', undefined, undefined, undefined]);
    // Ids of keys are written without the zeros they begin with.
    const signatures = [`${path}.minisig`, `${path}.36B44EF628F56C9.minisig`];
    const sent = signatures.map((each) => ({
      address,
      path: each,
      bytes,
      etag: undefined,
      at: 1000,
    }));
    const untagged = new IndexMemory([...known, ...sent], 1001);
    expect(await untagged.read(address, path, ask({ bytes, etag: '"a"' }))).toBe(bytes);
    const never = (): never => expect.fail('asked for what stands beside what is unchanged');
    for (const each of signatures) {
      expect(await untagged.read(address, each, never)).toBe(bytes);
    }
    expect(untagged.toKeep([address]), 'sent again, and the same').toBeUndefined();
    for (const etag of [`"${'x'.repeat(129)}"`, 'bare', '"a\r\nb"']) {
      const memory = new IndexMemory([], 0);
      await memory.read(address, path, ask({ bytes, etag }));
      expect(memory.toKeep([address])).toMatchObject([{ etag: undefined }]);
    }
  });
});
