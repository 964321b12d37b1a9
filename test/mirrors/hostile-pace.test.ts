/**
 * A hostile mirror that takes its time, or never comes to an end: it is left
 * within its bounds, and what is wanted comes from the next. Bounds are short
 * here; those of a node are tried in `test/long/bad-mirrors.test.ts`.
 */
import { once } from 'node:events';
import { closeSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { downloadArtifact, openMirrors, surveyMirrors } from '@landfall/mirrors';
import { describe, expect, it, onTestFinished } from 'vitest';
import { artifactOf, type HostileMirror, startHostileMirror } from '../harness/hostile-mirror.ts';
import type { Fault } from '../harness/http-faults.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { ReleaseFactory } from '../harness/release-factory.ts';
import { policyOf } from '../harness/signed-manifests.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const NOISE = Buffer.from(Array.from({ length: 40_000 }, (_, at) => (at * at * 31 + at) % 251));
const PATIENCE = { minRate: 20_000, rateWindowMs: 500 };
const NEVER: Fault = { kind: 'hold', ms: 60_000 };

/** Asks `evil`, which is befallen by `fault`, and a good mirror: for the index, then for the archive. */
async function ask(fault: Fault): Promise<{ evil: HostileMirror; said: string[] }> {
  const factory = new ReleaseFactory(temporaryFolder());
  const release = await factory.make({ version: '1.0.0', webUi: { 'index.html': NOISE } });
  const [evil, good] = [await startHostileMirror(), await startHostileMirror()];
  for (const each of [evil, good]) each.publish(release);
  evil.break(/./, fault);
  const mirrors = openMirrors(
    [evil, good].map(({ url }, at) => ({
      type: 'directory',
      url,
      name: at === 0 ? 'evil' : 'good',
    })),
  );
  const survey = await surveyMirrors(mirrors, {
    app: 'archipelago',
    policy: policyOf([factory.key]),
    limits: { deadlineMs: 1500 },
  });
  expect(survey.best?.manifest.version).toBe('1.0.0');
  expect(survey.holders.map(({ name }) => name)).toEqual(['good']);
  const { file = '', size = 0, sha256 = '' } = release.manifest.components[0]?.artifacts[0] ?? {};
  const to = join(temporaryFolder(), file);
  const wanted = { version: '1.0.0', file, size, sha256, to, limits: PATIENCE };
  const download = await downloadArtifact(mirrors, wanted);
  closeSync(download.fd);
  expect(download.mirror).toBe('good');
  expect(readFileSync(to)).toEqual(good.files.get(artifactOf(release)));
  const said = [survey.rows[0]?.problem, ...download.failed.map(({ error }) => error)];
  return { evil, said: said.map((problem) => problem?.code ?? 'nothing') };
}

describe('slow retrieval', () => {
  it('of index and archive: too slow, and the next one serves', async () => {
    const { said } = await ask({ kind: 'slow', bytesPerSecond: 200 });
    expect(said).toEqual(['TIMEOUT', 'TOO_SLOW']);
  });
});

describe('connection stall', () => {
  it.each<[string, Fault]>([
    ['before the answer', NEVER],
    ['after its head', { kind: 'stall', bytes: 0 }],
    ['before its last byte', { kind: 'stall', bytes: 300 }],
  ])('%s: given up, and the next one serves', async (_, fault) => {
    const { said, evil } = await ask(fault);
    expect(said).toEqual(['TIMEOUT', 'TOO_SLOW']);
    expect(evil.requests.length).toBeGreaterThan(1);
  });
});

describe('endless data', () => {
  const OK = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n';
  it.each<[string, string, string]>([
    ['announcements before the answer', '', 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'],
    ['headers', OK, `X-More: ${'x'.repeat(100)}\r\n`],
    ['one header', `${OK}X-More: `, 'x'.repeat(1000)],
    ['the extension of a chunk', `${OK}Transfer-Encoding: chunked\r\n\r\n1;x=`, 'x'.repeat(1000)],
    [
      'trailers',
      `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n`,
      `X-More: ${'x'.repeat(100)}\r\n`,
    ],
    ['redirects', '', 'HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n'],
  ])('in %s: given up, in time and without filling memory', async (_, start, more) => {
    const server = await startRawServer(start, more);
    const mirrors = openMirrors([{ type: 'directory', url: server, name: 'evil' }]);
    const before = process.memoryUsage().rss;
    const { rows } = await surveyMirrors(mirrors, {
      app: 'archipelago',
      policy: policyOf([testKey()]),
      limits: { deadlineMs: 700 },
    });
    expect(rows[0]?.problem?.code).toMatch(/^(TIMEOUT|BAD_ANSWER|UNREACHABLE|TOO_LARGE)$/);
    expect(rows[0]?.ms).toBeLessThan(5000);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024);
  });
});

/** A server that answers with `start` and then with `more` without an end, as fast as it is read. Its address. */
async function startRawServer(start: string, more: string): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const flood = Buffer.from(more.repeat(Math.ceil(65_536 / more.length)));
    const pour = (): void => {
      while (!socket.destroyed && socket.write(flood));
    };
    socket.on('error', () => undefined);
    socket.on('drain', pour);
    socket.once('data', () => {
      socket.write(start);
      pour();
    });
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
