/** A node that has looked at two mirrors, and what it asks of them when it looks again. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { serializeHalt } from '@landfall/manifest';
import { generateKeyPair, type SecretKey } from '@landfall/minisign';
import { expect, onTestFinished } from 'vitest';
import { serveDirectory } from '../../mirrors/serve.ts';
import { asSettled } from '../../updater/settle.ts';
import { type Look, lookAtMirrors } from '../../updater/mirrors.ts';
import { writeSeen } from '../../updater/records/seen-file.ts';
import { update } from '../../updater/update.ts';
import { directoryWriter } from './directory-subject.ts';
import { exampleHalt, putHalt } from './halts.ts';
import { makeHost, type TestHost } from './host.ts';
import { mirrorFolder, smallRelease, type SmallRelease } from './mirror-folder.ts';
import { policyOf, signAll } from './signed-manifests.ts';

const AT = '2026-04-22T19:00:00Z';
export const MANIFEST = 'releases/manifest.json';
export const HALT = 'releases/halt.json';
export const SIGNATURES = [`${MANIFEST}.minisig`, `${HALT}.minisig`];

interface Exchange {
  path: string;
  status: number;
}

/** Every exchange of this process's web servers from now on, and the bytes that went over their connections. */
export function watchServers(): { exchanges: Exchange[]; bytes: () => number } {
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
export function release(key: SecretKey, sequence: number): SmallRelease {
  const inDays = (days: number): string =>
    new Date(Date.now() + days * 86_400_000).toISOString().replace(/\.\d+Z$/, 'Z');
  return smallRelease([key], sequence, (manifest) => {
    Object.assign(manifest, { published: inDays(-1), expires: inDays(89) });
  });
}

async function serveIt(folder: string): Promise<string> {
  const served = await serveDirectory(folder, { host: '127.0.0.1', port: 0 });
  onTestFinished(() => served.close());
  return served.address;
}

/**
 * A node that has looked once at two mirrors with one release that is halted, as
 * they were before there were heads. `mirrors serve` serves them unless told.
 */
export async function lookedOnce(
  serve: (folder: string) => Promise<string> = serveIt,
): Promise<{ host: TestHost; key: SecretKey; folders: string[] }> {
  const key = generateKeyPair();
  const published = release(key, 4);
  const folders = [1, 2].map(() => mirrorFolder(published));
  const mirrors = await Promise.all(
    folders.map(async (folder, index) => {
      putHalt(folder, key, {
        serial: 1,
        halted: [{ version: '1.0.4', reason: 'answers 500', at: AT }],
      });
      const url = await serve(folder);
      return { type: 'directory' as const, name: `mirror-${index + 1}`, url };
    }),
  );
  const made = makeHost();
  const host = { ...made, config: { ...made.config, policy: policyOf([key]), mirrors } };
  const { decline } = await update(host, asSettled(host.store.state), {});
  expect(decline?.code, 'the node knows the newest, and does not take it').toBe('halted');
  return { host, key, folders };
}

export const sequenceOf = ({ newest }: Look): number | string =>
  'code' in newest ? newest.code : newest.manifest.sequence;
export const toLines = (exchanges: readonly Exchange[]): string[] =>
  exchanges.map(({ path, status }) => `${path} ${status}`).toSorted();

/** Looks at the mirrors and writes down what they served, as a check does, if that is new. */
export async function lookAndKeep(host: TestHost): Promise<{ look: Look; isKept: boolean }> {
  const look = await lookAtMirrors(host);
  const served = look.memory.toKeep(look.mirrors.map(({ address }) => address));
  if (served !== undefined) writeSeen(host.paths.seen, served);
  return { look, isKept: served !== undefined };
}

/** Writes an index into a mirror's folder as publishers do, with its head. */
export async function publish(
  folder: string,
  files: Record<string, string | Uint8Array> = {},
): Promise<void> {
  const entries = Object.entries(files).map(([path, text]) => [path, Buffer.from(text)] as const);
  await directoryWriter(folder).writeIndex({ files: new Map(entries) }, {});
}

/** A release as it stands on an index, signatures first. */
export function indexOf(
  { bytes, signature }: SmallRelease,
  at = MANIFEST,
): Record<string, string | Uint8Array> {
  return { [`${at}.minisig`]: signature, [at]: bytes };
}

/** A halt file with nothing halted, as it stands on an index. */
export function resumeOf(key: SecretKey, serial: number): Record<string, string | Uint8Array> {
  const bytes = serializeHalt(exampleHalt({ serial, halted: [] }));
  return { [`${HALT}.minisig`]: signAll(bytes, [key])[0] ?? '', [HALT]: bytes };
}
