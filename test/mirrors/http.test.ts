/** The HTTP client: what each way of going wrong is called, and what is never sent where. */
import { createServer as createTcpServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { HttpClient } from '../../mirrors/http.ts';
import { openFile, readFile, statFile } from '../../mirrors/http-reader.ts';
import { errorOf } from '../harness/errors.ts';
import {
  type Answer,
  type Fault,
  type FaultyServer,
  startFaultyServer,
} from '../harness/http-faults.ts';
import { startTlsServer } from '../harness/tls-server.ts';

const LIMITS = { maxBytes: 1_000_000, deadlineMs: 5000 };
const FILE: Answer = {
  status: 200,
  headers: { 'content-type': 'application/octet-stream' },
  body: Buffer.alloc(200_000, 7),
};

const redirect = (location: string): Answer => ({
  status: 302,
  headers: { location },
  body: 'moved',
});

async function server(
  answer: Answer | ((url: string) => Answer) = FILE,
  fault?: Fault,
): Promise<FaultyServer> {
  const made = await startFaultyServer(async (request) =>
    typeof answer === 'function' ? answer(request.url ?? '') : answer,
  );
  onTestFinished(() => made.stop());
  if (fault !== undefined) made.rules.push({ fault });
  return made;
}

function client(base: string): HttpClient {
  return new HttpClient({ mirror: 'north', base });
}

describe('connections that fail', () => {
  it('says that a connection was refused, and by whom', async () => {
    const { url, ...gone } = await server();
    await gone.stop();
    const error = await errorOf(() => readFile(client(url), 'releases/manifest.json', LIMITS));
    expect(error.code).toBe('UNREACHABLE');
    expect(error.message).toBe(
      "mirror 'north': refused the connection (GET /releases/manifest.json)",
    );
    expect(error.hint).toContain('check that the server is running');
  });

  it('says that a host name is unknown', async () => {
    const error = await errorOf(() => readFile(client('http://north.invalid'), 'x', LIMITS));
    expect(error.code).toBe('UNREACHABLE');
    expect(error.message).toMatch(/no such host in DNS|DNS does not answer/);
  });

  it('says that a certificate is not trusted, and for whom it is', async () => {
    const { url } = await startTlsServer();
    const error = await errorOf(() => readFile(client(url), 'x', LIMITS));
    expect(error.code).toBe('UNREACHABLE');
    expect(error.message).toContain('its TLS certificate is not trusted');
  });

  it('says that there is no TLS behind an https address', async () => {
    const { url } = await server();
    const error = await errorOf(() =>
      readFile(client(url.replace('http:', 'https:')), 'x', LIMITS),
    );
    expect(error.message).toMatch(/TLS/);
    expect(error.hint).toContain('http against https');
  });

  it('says that what answers is not HTTP', async () => {
    const tcp = createTcpServer((socket) => {
      socket.once('data', () => socket.end('220 smtp.example.org ESMTP\r\n'));
    });
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void tcp.close());
    const address = tcp.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const error = await errorOf(() => readFile(client(`http://127.0.0.1:${port}`), 'x', LIMITS));
    expect(error.code).toBe('BAD_ANSWER');
    expect(error.message).toContain('is not HTTP');
  });

  it.each<[Fault['kind'], Fault]>([
    ['drop-before', { kind: 'drop-before' }],
    ['truncate', { kind: 'truncate' }],
  ])('says that the connection was cut: %s', async (_, fault) => {
    const { url } = await server(FILE, fault);
    const error = await errorOf(() => readFile(client(url), 'x', LIMITS));
    expect(error.code).toBe('UNREACHABLE');
    expect(error.message).toContain('cut the connection');
  });

  it('says how far it came when the connection was cut in the body', async () => {
    const { url } = await server(FILE, { kind: 'truncate' });
    const error = await errorOf(() => readFile(client(url), 'x', LIMITS));
    expect(error.message).toMatch(/after \d+ of 200000 bytes/);
  });
});

describe('bounds', () => {
  it.each<[string, Fault, string]>([
    ['a late answer', { kind: 'delay', ms: 60_000 }, 'TIMEOUT'],
    ['a body that stalls', { kind: 'stall' }, 'TIMEOUT'],
    ['a body that trickles', { kind: 'slow', bytesPerSecond: 20_000 }, 'TIMEOUT'],
  ])('ends %s at the deadline', async (_, fault, code) => {
    const { url } = await server(FILE, fault);
    const started = performance.now();
    const error = await errorOf(() => readFile(client(url), 'x', { ...LIMITS, deadlineMs: 400 }));
    expect(error.code).toBe(code);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it.each<[string, Fault]>([
    ['a late answer', { kind: 'delay', ms: 60_000 }],
    ['a body that stalls', { kind: 'stall' }],
    ['a body that trickles', { kind: 'slow', bytesPerSecond: 20_000 }],
  ])('gives up %s below the minimum rate', async (_, fault) => {
    const { url } = await server(FILE, fault);
    const limits = { ...LIMITS, deadlineMs: 60_000, minRate: 100_000, rateWindowMs: 300 };
    const started = performance.now();
    const error = await errorOf(() => readFile(client(url), 'x', limits));
    expect(error.code).toBe('TOO_SLOW');
    expect(error.message).toContain('expected at least 98 KiB/s');
    expect(performance.now() - started).toBeLessThan(3000);
  });

  it('ends a body without an end at the bound', async () => {
    const { url } = await server(FILE, { kind: 'endless' });
    const error = await errorOf(() => readFile(client(url), 'x', LIMITS));
    expect(error.code).toBe('TOO_LARGE');
    expect(error.message).toContain('expected at most 1000000 bytes');
  });

  it('reads nothing of a body that says it is too large', async () => {
    const { url } = await server();
    const error = await errorOf(() => openFile(client(url), 'x', { ...LIMITS, maxBytes: 10 }));
    expect(error.code).toBe('TOO_LARGE');
  });
});

describe('answers that are none', () => {
  it.each([
    [401, 'UNAUTHORIZED', 'wants a login'],
    [403, 'FORBIDDEN', 'forbids it'],
    [409, 'REJECTED', 'in conflict'],
    [413, 'REJECTED', 'too large'],
    [422, 'REJECTED', 'not valid'],
    [429, 'BAD_ANSWER', 'fewer requests'],
    [500, 'BAD_ANSWER', 'the server failed'],
    [502, 'BAD_ANSWER', 'the server failed'],
    [418, 'REJECTED', 'not expected'],
    [206, 'BAD_ANSWER', 'not expected'],
  ])('%i is %s in words of its own', async (status, code, words) => {
    const { url } = await server({ status, body: 'x' });
    const error = await errorOf(() => readFile(client(url), 'a/b', LIMITS));
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
    expect(error.message).toContain(`(${status})`);
    expect(error.message).toContain('GET /a/b');
    expect(error.hint).toBeTruthy();
  });

  it('404 and 410 are no error: there is nothing', async () => {
    for (const status of [404, 410]) {
      const { url } = await server({ status, body: 'x' });
      expect(await readFile(client(url), 'x', LIMITS)).toBeUndefined();
      expect(await statFile(client(url), 'x', LIMITS)).toBeUndefined();
    }
  });

  it('a page of HTML is not a file', async () => {
    const { url } = await server(FILE, { kind: 'html' });
    for (const read of [readFile, openFile, statFile]) {
      const error = await errorOf(() => read(client(url), 'x', LIMITS));
      expect(error.code).toBe('BAD_ANSWER');
      expect(error.message).toContain('found an HTML page');
    }
  });

  it('an error is told by its status, also when its page is larger than what was asked for', async () => {
    const headers = { 'content-type': 'text/html' };
    const { url } = await server({ status: 502, headers, body: '<html>'.repeat(100) });
    const error = await errorOf(() => openFile(client(url), 'x', { ...LIMITS, maxBytes: 64 }));
    expect([error.code, error.message.includes('(502)')]).toEqual(['BAD_ANSWER', true]);
    const page = await server({ status: 200, headers, body: '<html>'.repeat(100) });
    const found = await errorOf(() => openFile(client(page.url), 'x', { ...LIMITS, maxBytes: 64 }));
    expect(found.message).toContain('found an HTML page');
  });

  it('asks with GET where HEAD is not known', async () => {
    const made = await startFaultyServer(async (request) =>
      request.method === 'HEAD' ? { status: 405, body: '' } : FILE,
    );
    onTestFinished(() => made.stop());
    expect(await statFile(client(made.url), 'x', LIMITS)).toEqual({ size: 200_000 });
    expect(made.requests.map(({ method }) => method)).toEqual(['HEAD', 'GET']);
  });
});

it('asks with GET where a store takes the address it was given for GET alone', async () => {
  // As an S3 store does: the method is part of what was signed.
  const store = await startFaultyServer(async ({ method }) =>
    method === 'GET' ? FILE : { status: 403, body: '' },
  );
  onTestFinished(() => store.stop());
  const home = await server(redirect(`${store.url}/b?signature`));
  const reader = new HttpClient({
    mirror: 'north',
    base: home.url,
    allowOrigins: [store.url],
  });
  expect(await statFile(reader, 'x', LIMITS)).toEqual({ size: 200_000 });
});

describe('origins and credentials', () => {
  it('follows a redirect within the origin', async () => {
    const { url } = await server((path) =>
      path === '/a' ? { status: 302, headers: { location: '/b' }, body: 'moved' } : FILE,
    );
    expect(await readFile(client(url), 'a', LIMITS)).toHaveLength(200_000);
  });

  it('refuses a redirect to another origin, names both, and asks nothing there', async () => {
    const other = await server();
    const { url } = await server(FILE, { kind: 'redirect', to: `${other.url}/b` });
    const error = await errorOf(() => readFile(client(url), 'a', LIMITS));
    expect(error.code).toBe('REDIRECT_REFUSED');
    expect(error.message).toContain(`expected '${url}', found '${other.url}'`);
    expect(other.requests).toEqual([]);
  });

  it('follows one to an origin that is allowed, and sends no credential there nor after it', async () => {
    const home = await server((path) => (path === '/back' ? FILE : redirect(`${away.url}/b`)));
    const away = await server((path) => (path === '/b' ? redirect(`${home.url}/back`) : FILE));
    const reader = new HttpClient({
      mirror: 'north',
      base: home.url,
      authorization: () => 'token secret',
      allowOrigins: [away.url],
    });
    expect(await readFile(reader, 'a', LIMITS)).toHaveLength(200_000);
    expect(home.requests).toMatchObject([{ authorization: 'token secret' }, { url: '/back' }]);
    expect([home.requests[1], away.requests[0]].map((each) => each?.authorization)).toEqual([
      undefined,
      undefined,
    ]);
    await errorOf(() => reader.open('POST', 'a', LIMITS));
    expect(away.requests, 'what changes something is not redirected').toHaveLength(1);
  });

  it('holds an allowed origin to the same bounds, and lets it lead nowhere else', async () => {
    const third = await server();
    const away = await server(FILE);
    const home = await server(redirect(`${away.url}/b`));
    const allowOrigins = [away.url];
    const reader = new HttpClient({ mirror: 'north', base: home.url, allowOrigins });
    const tight = { ...LIMITS, maxBytes: 1000 };
    expect((await errorOf(() => readFile(reader, 'a', tight))).code).toBe('TOO_LARGE');
    away.rules.push({ fault: { kind: 'redirect', to: third.url } });
    expect((await errorOf(() => readFile(reader, 'a', LIMITS))).code).toBe('REDIRECT_REFUSED');
    expect(third.requests).toEqual([]);
  });

  it('gives up a redirect that goes in circles', async () => {
    const { url, requests } = await server(FILE, { kind: 'redirect', to: '/a' });
    const error = await errorOf(() => readFile(client(url), 'a', LIMITS));
    expect(error.code).toBe('BAD_ANSWER');
    expect(requests.length).toBeLessThan(10);
  });

  it('follows no redirect of a request that changes something', async () => {
    const { url, requests } = await server(FILE, { kind: 'redirect', to: '/b' });
    const error = await errorOf(() => client(url).open('POST', 'a', LIMITS));
    expect(error.code).toBe('BAD_ANSWER');
    expect(requests).toHaveLength(1);
  });

  it('sends no credential unless it has one, and none along with a refused redirect', async () => {
    const other = await server();
    const { url, requests, rules } = await server();
    await readFile(client(url), 'a', LIMITS);
    const authorized = new HttpClient({
      mirror: 'north',
      base: url,
      authorization: () => 'token secret',
    });
    await readFile(authorized, 'a', LIMITS);
    expect(requests.map((each) => each.authorization)).toEqual([undefined, 'token secret']);
    rules.push({ fault: { kind: 'redirect', to: other.url } });
    await errorOf(() => readFile(authorized, 'a', LIMITS));
    expect(other.requests).toEqual([]);
  });

  it('stays below a base with a path', async () => {
    const { url, requests } = await server();
    await readFile(client(`${url}/git/`), 'a/b', LIMITS);
    expect(requests[0]?.url).toBe('/git/a/b');
  });
});
