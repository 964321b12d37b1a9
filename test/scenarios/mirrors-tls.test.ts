/** Mirrors with a certificate of an authority of one's own, and at an IPv6 address. */
import { readdirSync, writeFileSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type MirrorConfig, openMirrors, openWritableMirrors } from '@landfall/mirrors';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Authority, makeAuthority } from '../harness/authority.ts';
import { cleanEnvironment } from '../harness/command.ts';
import { errorOf } from '../harness/errors.ts';
import { startFront } from '../harness/front.ts';
import { contentsOf } from '../harness/gitea-project.ts';
import { REPOSITORY } from '../harness/gitea-scene.ts';
import { type GiteaStandIn, startGiteaStandIn } from '../harness/gitea-stand-in/server.ts';
import { temporaryFolder } from '../harness/temporary.ts';
import { makeArtifact } from '../mirrors/conformance.ts';
import type { PublishJob } from '../harness/publish-process.ts';

const LIMITS = { maxBytes: 1_000_000, deadlineMs: 10_000 };
const INDEX = 'releases/manifest.json';

async function standIn(scheme: 'http' | 'https'): Promise<GiteaStandIn> {
  const server = await startGiteaStandIn({ repository: REPOSITORY, scheme });
  onTestFinished(() => server.close());
  return server;
}

function configOf(url: string, ca?: string): MirrorConfig {
  const config = { type: 'gitea', url, repository: REPOSITORY, token: { env: 'TOKEN' } } as const;
  return ca === undefined ? config : { ...config, ca };
}

/** Publishes in a process of its own, as `NODE_EXTRA_CA_CERTS` is read when Node starts. */
async function publish(
  server: GiteaStandIn,
  config: MirrorConfig,
  env: Record<string, string> = {},
): Promise<ReturnType<typeof contentsOf>> {
  const job: PublishJob = {
    mirrors: [config],
    version: '1.0.0',
    path: makeArtifact('web-ui.tar.zst', 200_000).path,
    manifest: '{"sequence":1}',
    repository: join(temporaryFolder(), 'index.git'),
  };
  const script = fileURLToPath(new URL('../harness/publish-process.ts', import.meta.url));
  const environment = cleanEnvironment({ TOKEN: server.token, ...env });
  await promisify(execFile)(process.execPath, [script, JSON.stringify(job)], { env: environment });
  return contentsOf(server);
}

const PUBLISHED = {
  head: expect.stringMatching(/^[0-9a-f]{40}$/),
  assets: { 'v1.0.0': ['web-ui.tar.zst 200000'] },
};

describe("an authority of one's own", () => {
  async function tls(): Promise<{ server: GiteaStandIn; url: string; authority: Authority }> {
    const server = await standIn('https');
    const authority = makeAuthority();
    return { server, authority, url: await startFront(server.url, { tls: authority }) };
  }

  it("is trusted for HTTP and for git when it is the mirror's 'ca'", async () => {
    const { server, url, authority } = await tls();
    const temporary = temporaryFolder();
    const published = await publish(server, configOf(url, authority.ca), { TMPDIR: temporary });
    expect(published).toEqual(PUBLISHED);
    expect(readdirSync(temporary)).toEqual([]);
  });

  it('is trusted for HTTP and for git when it is in NODE_EXTRA_CA_CERTS', async () => {
    const { server, url, authority } = await tls();
    const env = { NODE_EXTRA_CA_CERTS: authority.ca };
    expect(await publish(server, configOf(url), env)).toEqual(PUBLISHED);
  });

  it('is not trusted otherwise, and the hint says where to name it', async () => {
    const { server, url } = await tls();
    const [reader] = openMirrors([configOf(url)]);
    const error = await errorOf(async () => reader?.readIndex(INDEX, LIMITS));
    expect(error.code).toBe('UNREACHABLE');
    expect(error.message).toContain('its TLS certificate is not trusted');
    expect(error.hint).toContain("'ca'");
    const options = { env: { TOKEN: server.token }, retry: { attempts: 1 } };
    const [writer] = openWritableMirrors([configOf(url)], options);
    const update = { files: new Map(), commit: { repository: '/none', id: '1'.repeat(40) } };
    const push = await errorOf(async () => writer?.writeIndex(update, {}));
    expect(push.message).toContain("the server's TLS certificate is not trusted");
    expect(push.hint).toContain("'ca'");
    expect(server.requests).toEqual([]);
  });

  it('of one mirror vouches for that mirror alone', async () => {
    const [mine, other] = [await tls(), await tls()];
    const [reader] = openMirrors([configOf(other.url, mine.authority.ca)]);
    const error = await errorOf(async () => reader?.readIndex(INDEX, LIMITS));
    expect(error.message).toContain('its TLS certificate is not trusted');
  });

  it.each([
    ['that is not there', undefined, 'cannot be read: no such file'],
    ['without a certificate', 'hello\n', 'holds no certificate'],
    [
      'with half a certificate',
      '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
      'holds a certificate that cannot be read',
    ],
  ])(
    'in a file %s is the trouble of that mirror, before anything is sent',
    async (_, text, words) => {
      const { server, url } = await tls();
      const ca = join(temporaryFolder(), 'ca.pem');
      if (text !== undefined) writeFileSync(ca, text);
      const [reader] = openMirrors([configOf(url, ca)]);
      const read = await errorOf(async () => reader?.readIndex(INDEX, LIMITS));
      const open = await errorOf(() =>
        openWritableMirrors([configOf(url, ca)], { env: { TOKEN: server.token } }),
      );
      for (const error of [read, open]) {
        expect([error.code, error.exit]).toEqual(['CONFIG', 2]);
        expect(error.message).toContain(`'ca' file '${ca}' ${words}`);
      }
    },
  );
});

describe('an IPv6 address', () => {
  it('is published to over HTTP and git, and named without brackets', async () => {
    const server = await standIn('http');
    const url = await startFront(server.url, { host: '::1' });
    expect(await publish(server, configOf(url))).toEqual(PUBLISHED);
    const [reader] = openMirrors([configOf(url)]);
    expect(reader?.name).toBe(new URL(url).host.replace('[::1]', '::1'));
    expect(await reader?.readIndex(INDEX, LIMITS)).toEqual(Buffer.from('{"sequence":1}'));
    expect(await reader?.statArtifact('1.0.0', 'web-ui.tar.zst', LIMITS)).toEqual({
      size: 200_000,
    });
  });

  it('works with TLS', async () => {
    const server = await standIn('https');
    const authority = makeAuthority();
    const url = await startFront(server.url, { host: '::1', tls: authority });
    expect(await publish(server, configOf(url, authority.ca))).toEqual(PUBLISHED);
  });
});
