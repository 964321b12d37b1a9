/** One look at a real server: what is healthy, and what only looks so. */
import { once } from 'node:events';
import dns from 'node:dns';
import { createServer, type RequestListener } from 'node:http';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { ProbeConfig } from '../../../updater/config.ts';
import { checkBytes, checkVersion } from '../../../updater/probe/check.ts';
import { planProbe, type ProbePlan } from '../../../updater/probe/plan.ts';
import { getBounded } from '../../../updater/probe/request.ts';
import { exampleWebUi, writeFiles } from '../../harness/release-factory.ts';
import { temporaryFolder } from '../../harness/temporary.ts';
import { startTlsServer } from '../../harness/tls-server.ts';

const FILES = exampleWebUi('1.1.0');
const { signal } = new AbortController();

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `http://127.0.0.1:${address.port}/`;
}

/** Answers as a static server would, but for what `change` says. */
function staticServer(
  change: (path: string, body: string | undefined) => string | number | undefined,
): RequestListener {
  return (request, response) => {
    const path = decodeURIComponent(request.url ?? '/').slice(1) || 'index.html';
    const answer = change(path, FILES[path]);
    if (typeof answer === 'number') response.writeHead(answer, { location: '/login' }).end('no');
    else if (answer === undefined) response.writeHead(404).end('not found');
    else response.end(answer);
  };
}

function configFor(url: string, more: Partial<ProbeConfig> = {}): ProbeConfig {
  return {
    url,
    component: 'web-ui',
    window: 1000,
    interval: 20,
    timeout: 300,
    passes: 1,
    assets: 8,
    tls: 'system',
    version_field: 'version',
    ...more,
  };
}

function plan(): ProbePlan {
  const folder = join(temporaryFolder(), 'web-ui');
  writeFiles(folder, FILES);
  const made = planProbe(folder, 8);
  if (typeof made === 'string') throw new Error(made);
  return made;
}

describe('a look at the bytes', () => {
  it.each<[string, Parameters<typeof staticServer>[0], string, RegExp]>([
    ['everything as released', (_, body) => body, 'healthy', /page and 4 assets/],
    [
      'the old page',
      (path, body) => (path === 'index.html' ? exampleWebUi('1.0.0')[path] : body),
      'wrong',
      /expected this release's page/,
    ],
    [
      'an empty page',
      (path, body) => (path === 'index.html' ? '' : body),
      'wrong',
      /found 0 other bytes/,
    ],
    [
      'a longer page',
      (path, body) => (path === 'index.html' ? `${body}<!-- injected -->` : body),
      'wrong',
      /more than 139/,
    ],
    [
      'an old asset',
      (path, body) => (path === 'assets/app.css' ? 'body {}' : body),
      'wrong',
      /app\.css: expected this release's asset/,
    ],
    [
      'the page for everything',
      () => FILES['index.html'],
      'wrong',
      /the page itself \(a fallback\)/,
    ],
    ['500', () => 500, 'error', /expected status 200, found 500/],
    [
      '403 for an asset',
      (path, body) => (path === 'assets/app.js' ? 403 : body),
      'error',
      /app\.js: expected status 200, found 403/,
    ],
    [
      'a missing asset',
      (path, body) => (path === 'assets/icons/two words.svg' ? undefined : body),
      'error',
      /two%20words\.svg: expected status 200, found 404/,
    ],
    ['a redirect', () => 302, 'error', /found 302 \(to \/login, not followed\)/],
    ['204', () => 204, 'error', /found 204/],
  ])('%s', async (_, change, rank, words) => {
    const url = await serve(staticServer(change));
    const outcome = await checkBytes(configFor(url), plan(), signal);
    expect(outcome).toMatchObject({ rank, reason: expect.stringMatching(words) as string });
    expect(outcome.reason).not.toContain('\n');
  });

  it('no server, a silent one, one that cuts off, one without an end: refused, in time', async () => {
    const silent = await serve(() => {});
    const cut = await serve((_, response) => response.socket?.destroy());
    const trickle = await serve((_, response) => {
      const timer = setInterval(() => response.write('x'), 20);
      response.on('close', () => clearInterval(timer));
    });
    const started = performance.now();
    for (const url of ['http://127.0.0.1:9/', silent, cut, trickle]) {
      const outcome = await checkBytes(configFor(url), plan(), signal);
      expect(outcome.rank).toBe('refused');
    }
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('one that wants to speak something else than HTTP: an error, at once', async () => {
    const url = await serve((_, { socket }) => {
      socket?.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n');
      socket?.write('Upgrade: websocket\r\n\r\nfor ever');
    });
    expect(await checkBytes(configFor(url), plan(), signal)).toMatchObject({
      rank: 'error',
      reason: expect.stringMatching(/expected status 200, found 101$/) as string,
    });
  });

  it('may be of a site below a path', async () => {
    const listener = staticServer((_, body) => body);
    const url = await serve((request, response) => {
      const inside = request.url?.startsWith('/app/') ?? false;
      request.url = inside ? request.url?.slice('/app'.length) : '/none';
      listener(request, response);
    });
    expect((await checkBytes(configFor(`${url}app/`), plan(), signal)).rank).toBe('healthy');
    expect((await checkBytes(configFor(url), plan(), signal)).rank).toBe('error');
  });

  it('does not read more than it compares', async () => {
    const url = await serve((_, response) => {
      const pump = (): void => {
        while (response.writable && response.write(Buffer.alloc(65_536))) {
          // until the other side does not take more
        }
      };
      response.on('drain', pump);
      pump();
    });
    const outcome = await checkBytes(configFor(url), plan(), signal);
    expect(outcome).toMatchObject({
      rank: 'wrong',
      reason: expect.stringContaining('more than 139') as string,
    });
  });
});

describe('a look at the version', () => {
  it.each([
    ['{"version":"1.1.0"}', 'version', 'healthy'],
    ['{"app":{"release":"1.1.0"}}', 'app.release', 'healthy'],
    ['{"version":"1.0.0"}', 'version', 'wrong'],
    ['{"version":["1.1.0"]}', 'version', 'wrong'],
    ['{}', 'version', 'wrong'],
    ['{}', '__proto__.version', 'wrong'],
    ['<html>1.1.0', 'version', 'wrong'],
    ['', 'version', 'wrong'],
  ])('%s at %s: %s', async (body, field, rank) => {
    const url = await serve((_, response) => response.end(body));
    const config = configFor(url, { version_field: field });
    const outcome = await checkVersion(config, `${url}api/version`, '1.1.0', signal);
    expect(outcome.rank).toBe(rank);
  });
});

describe('TLS on loopback', () => {
  const ask = async (url: string, tls: string): Promise<number> => {
    const limits = { maxBytes: 100, timeoutMs: 2000, signal };
    return (await getBounded({ url: new URL(url), tls }, limits)).status;
  };

  it('needs a certificate that the system trusts, a pin, or to be told', async () => {
    const { url } = await startTlsServer();
    await expect(ask(url, 'system')).rejects.toThrow(/self-signed/);
    await expect(ask(url, 'insecure')).resolves.toBe(200);
    const wrong = `sha256:${'0'.repeat(64)}`;
    const refusal = await ask(url, wrong).catch((error: unknown) => String(error));
    const found = /found ([0-9a-f]{64})/.exec(String(refusal))?.[1];
    expect(refusal).toContain('certificate is not the pinned one');
    await expect(ask(url, `sha256:${found}`)).resolves.toBe(200);
  });
});

describe('a name', () => {
  it('is only looked up on this machine', async () => {
    const url = await serve((_, response) => response.end('x'));
    const { port } = new URL(url);
    const limits = { maxBytes: 100, timeoutMs: 2000, signal };
    const target = { url: new URL(`http://localhost:${port}/`), tls: 'system' };
    await expect(getBounded(target, limits)).resolves.toMatchObject({ status: 200 });
  });

  it.each<[string, string[], string | number]>([
    [
      'elsewhere',
      ['203.0.113.1', '2001:db8::1'],
      "'site.example' is not an address of this machine",
    ],
    ['elsewhere and to this machine', ['203.0.113.1', '127.0.0.1'], 200],
  ])('that leads %s is asked at this machine or not at all', async (_, addresses, expected) => {
    const url = await serve((_request, response) => response.end('x'));
    const found = addresses.map((address) => ({ address, family: isIP(address) }));
    const answer = (...args: unknown[]): void =>
      (args.at(-1) as (error: null, found: dns.LookupAddress[]) => void)(null, found);
    const lookup = vi.spyOn(dns, 'lookup').mockImplementation(answer);
    onTestFinished(() => lookup.mockRestore());
    const target = { url: new URL(`http://site.example:${new URL(url).port}/`), tls: 'system' };
    const limits = { maxBytes: 100, timeoutMs: 2000, signal };
    const status = getBounded(target, limits).then(
      (each) => each.status,
      (error: Error) => error.message,
    );
    expect(await status).toBe(expected);
  });

  it('of a site can be given for the host header', async () => {
    const url = await serve((request, response) => response.end(request.headers.host));
    const limits = { maxBytes: 100, timeoutMs: 2000, signal };
    const answer = await getBounded(
      { url: new URL(url), host: 'node.example.org', tls: 'system' },
      limits,
    );
    expect(answer.body.toString()).toBe('node.example.org');
  });
});
