/** Mirrors behind a proxy: reads, uploads and pushes take it, and nobody's secret is told to it. */
import { openMirrors, openWritableMirrors } from '@landfall/mirrors';
import { describe, expect, it } from 'vitest';
import { type Authority, makeAuthority } from '../harness/authority.ts';
import { errorOf } from '../harness/errors.ts';
import { startFront } from '../harness/front.ts';
import { REPOSITORY } from '../harness/gitea-scene.ts';
import { type GiteaStandIn, startGiteaStandIn } from '../harness/gitea-stand-in/server.ts';
import { prepare } from '../harness/index-scene.ts';
import { startProxy } from '../harness/proxy-server.ts';
import { makeArtifact } from '../mirrors/conformance.ts';
import { onTestFinished } from 'vitest';

const LIMITS = { maxBytes: 1_000_000, deadlineMs: 10_000 };

interface Site {
  server: GiteaStandIn;
  /** What clients are given. */
  url: string;
  ca: string;
}

/** A stand-in behind TLS, or as it is. */
async function site(scheme: 'http' | 'https', authority?: Authority): Promise<Site> {
  const server = await startGiteaStandIn({ repository: REPOSITORY, scheme });
  onTestFinished(() => server.close());
  const made = authority ?? makeAuthority();
  const url = scheme === 'http' ? server.url : await startFront(server.url, { tls: made });
  return { server, url, ca: made.ca };
}

function configOf({ url, ca }: Site): Parameters<typeof openMirrors>[0] {
  const token = { env: 'TOKEN' };
  return [{ type: 'gitea', name: 'north', url, repository: REPOSITORY, token, ca }];
}

/** Publishes a release, index included, and reads it back; the id of the index commit. */
async function publish(from: Site, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const all = { ...env, TOKEN: from.server.token };
  const options = { env: all, retry: { attempts: 1 } };
  const [writer] = openWritableMirrors(configOf(from), options);
  if (writer === undefined) throw new Error('no mirror was opened');
  const artifact = makeArtifact('web-ui.tar.zst', 300_000);
  await writer.checkWritable({});
  const release = { version: '1.0.0', notes: '', prerelease: false, files: [artifact] };
  await writer.ensureRelease(release, {});
  await writer.uploadArtifact('1.0.0', artifact.path, artifact);
  const update = await prepare([writer], 1);
  await writer.writeIndex(update, {});
  expect(await writer.readIndex('releases/manifest.json', LIMITS)).toBeDefined();
  expect(await writer.statArtifact('1.0.0', artifact.file, LIMITS)).toEqual({ size: 300_000 });
  return update.commit?.id;
}

describe('behind a proxy', () => {
  it('everything to an https mirror goes through tunnels to that mirror alone', async () => {
    const made = await site('https');
    const proxy = await startProxy({ login: 'me:proxy-secret' });
    const address = proxy.url.replace('//', '//me:proxy-secret@');
    expect(await publish(made, { HTTPS_PROXY: address })).toMatch(/^[0-9a-f]{40}$/);
    const { host } = new URL(made.url);
    const seen = proxy.requests.map(({ method, target }) => `${method} ${target}`);
    expect(new Set(seen)).toEqual(new Set([`CONNECT ${host}`]));
    const agents = proxy.requests.map(({ headers }) => /git\//.test(headers));
    expect(new Set(agents)).toEqual(new Set([true, false]));
    const headers = proxy.requests.map((each) => each.headers).join('\n');
    expect(headers).not.toContain(made.server.token);
    expect(headers).not.toMatch(/^authorization$/im);
    for (const { authorization } of made.server.requests) {
      expect(authorization ?? '').not.toContain(Buffer.from('me:proxy-secret').toString('base64'));
    }
  });

  it('requests to an http mirror are passed on by it', async () => {
    const made = await site('http');
    const proxy = await startProxy();
    expect(await publish(made, { http_proxy: proxy.url })).toMatch(/^[0-9a-f]{40}$/);
    const targets = proxy.requests.map(({ target }) => target);
    expect(targets.every((each) => each.startsWith(`${made.url}/`))).toBe(true);
    expect(targets.some((each) => each.includes('/assets?name='))).toBe(true);
    expect(targets.some((each) => each.endsWith('/git-receive-pack'))).toBe(true);
    // One more came directly: none.
    expect(made.server.requests).toHaveLength(proxy.requests.length);
  });

  it('a mirror in NO_PROXY is reached directly, also by git', async () => {
    const made = await site('https');
    const proxy = await startProxy();
    const env = { HTTPS_PROXY: proxy.url, NO_PROXY: '127.0.0.0/8' };
    expect(await publish(made, env)).toMatch(/^[0-9a-f]{40}$/);
    expect(proxy.requests).toEqual([]);
  });
});

describe('a proxy that is in the way', () => {
  const index = 'releases/manifest.json';

  async function failures(
    env: (proxy: string) => string,
    scheme: 'http' | 'https',
    proxy: Awaited<ReturnType<typeof startProxy>>,
  ): Promise<{
    read: Awaited<ReturnType<typeof errorOf>>;
    push: Awaited<ReturnType<typeof errorOf>>;
  }> {
    const made = await site(scheme);
    const [reader] = openMirrors(configOf(made), {
      env: { [`${scheme}_proxy`]: env(proxy.url) },
    });
    const [writer] = openWritableMirrors(configOf(made), {
      env: { [`${scheme}_proxy`]: env(proxy.url), TOKEN: made.server.token },
      retry: { attempts: 1 },
    });
    if (reader === undefined || writer === undefined) throw new Error('no mirror was opened');
    const update = { files: new Map(), commit: { repository: '/none', id: '1'.repeat(40) } };
    const read = await errorOf(() => reader.readIndex(index, LIMITS));
    const push = await errorOf(() => writer.writeIndex(update, {}));
    expect(made.server.requests).toEqual([]);
    for (const error of [read, push]) {
      const shown = [error.message, error.hint, error.stack].join();
      expect(shown).not.toContain('wrong-password');
      expect(shown).not.toContain(made.server.token);
    }
    return { read, push };
  }

  it.each(['http', 'https'] as const)('with a login of its own says so: %s', async (scheme) => {
    const proxy = await startProxy({ login: 'me:right' });
    const wrong = (url: string): string => url.replace('//', '//me:wrong-password@');
    const { read, push } = await failures(wrong, scheme, proxy);
    expect(read.code).toBe('UNAUTHORIZED');
    expect(read.message).toContain(`proxy '${proxy.host}' wants a login (407)`);
    expect(push.code).toBe('UNAUTHORIZED');
    expect(push.message).toContain('the proxy wants a login');
  });

  it('that does not let us through is named', async () => {
    const proxy = await startProxy({ refuse: 403 });
    const { read, push } = await failures((url) => url, 'https', proxy);
    expect(read.code).toBe('UNREACHABLE');
    expect(read.message).toContain(`proxy '${proxy.host}' does not let us through (403)`);
    expect(read.hint).toContain('NO_PROXY');
    expect(push.message).toContain('the proxy does not let us through');
  });

  it.each(['http', 'https'] as const)('that is down is named: %s', async (scheme) => {
    const proxy = await startProxy();
    await proxy.close();
    const { read } = await failures((url) => url, scheme, proxy);
    expect(read.code).toBe('UNREACHABLE');
    expect(read.message).toContain(`proxy '${proxy.host}': refused the connection`);
    expect(read.hint).toContain('HTTP_PROXY');
  });
});
