/** Every way in which a server refuses an upload, in words that tell what to do; and how uploads are bounded. */
import { openWritableMirrors, type MirrorConfig } from '@landfall/mirrors';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../harness/errors.ts';
import { countRequests, giteaScene, type GiteaScene } from '../harness/gitea-scene.ts';
import { contentsOf } from '../harness/gitea-project.ts';
import type { Fault } from '../harness/http-faults.ts';
import { makeArtifact } from '../mirrors/conformance.ts';

const UPLOAD = /\/assets\?name=/;
const SUBJECT = '(POST /api/v1/repos/ship/landfall/releases/2/assets)';
type Upload = NonNullable<Extract<MirrorConfig, { type: 'gitea' }>['upload']>;

/** Sends artifacts all at once, as they are bounded by `upload`. */
async function send(scene: GiteaScene, upload: Upload, sizes: readonly number[]): Promise<void> {
  const { url, repository, token } = scene.place;
  const artifacts = sizes.map((size, index) => makeArtifact(`part-${index}.zst`, size));
  const [writer] = openWritableMirrors(
    [{ type: 'gitea', name: 'north', url, repository, token: { env: 'TOKEN' }, upload }],
    { env: { TOKEN: token }, retry: { firstDelayMs: 10 } },
  );
  if (writer === undefined) throw new Error('no mirror was opened');
  const release = { version: '1.0.0', notes: '', prerelease: false, files: artifacts };
  await writer.ensureRelease(release, {});
  await Promise.all(artifacts.map((each) => writer.uploadArtifact('1.0.0', each.path, each)));
}

const page = "'a page of HTML'";

describe('an upload that is refused', () => {
  it.each<[string, Fault, string, string, RegExp, number]>([
    [
      '401',
      { kind: 'status', status: 401 },
      'UNAUTHORIZED',
      `wants a login (401): ${page} ${SUBJECT}`,
      /for writing: check the token/,
      1,
    ],
    [
      '403',
      { kind: 'status', status: 403 },
      'FORBIDDEN',
      `forbids it (403): ${page} ${SUBJECT}`,
      /what the token may do/,
      1,
    ],
    [
      '409',
      { kind: 'status', status: 409 },
      'REJECTED',
      `says it is in conflict with what is there (409): ${page} ${SUBJECT}`,
      /run the command again/,
      1,
    ],
    [
      '413',
      { kind: 'status', status: 413 },
      'REJECTED',
      `says it is too large (413): ${page} ${SUBJECT}`,
      /MAX_SIZE.*client_max_body_size/,
      1,
    ],
    [
      '422',
      { kind: 'status', status: 422 },
      'REJECTED',
      `says it is not valid (422): ${page} ${SUBJECT}`,
      /the server's own words/,
      1,
    ],
    [
      '507, which does not pass by itself',
      { kind: 'status', status: 507 },
      'BAD_ANSWER',
      `the server failed (507): ${page} ${SUBJECT}`,
      /in front of the server/,
      1,
    ],
    [
      '502 of a proxy',
      { kind: 'status', status: 502 },
      'BAD_ANSWER',
      `the server failed (502): ${page} ${SUBJECT}`,
      /look at that proxy/,
      3,
    ],
    [
      'a page of HTML with 200',
      { kind: 'html' },
      'BAD_ANSWER',
      `expected JSON, found an HTML page ${SUBJECT}`,
      /a proxy in between/,
      1,
    ],
    [
      'a redirect to another origin',
      { kind: 'redirect', to: 'http://elsewhere.test/x' },
      'REDIRECT_REFUSED',
      "found 'http://elsewhere.test'",
      /ROOT_URL/,
      1,
    ],
    [
      'a redirect to https of the same host',
      { kind: 'redirect', to: 'https://127.0.0.1/x' },
      'REDIRECT_REFUSED',
      "found 'https://127.0.0.1'",
      /^put https:\/\/127\.0\.0\.1 into 'url'$/,
      1,
    ],
    [
      'a redirect within the origin',
      { kind: 'redirect', to: '/login' },
      'BAD_ANSWER',
      `answered in a way that was not expected (302): 'a redirect' ${SUBJECT}`,
      /check the address/,
      1,
    ],
  ])('with %s', async (_, fault, code, words, hint, tries) => {
    const scene = await giteaScene();
    scene.server.rules.push({ method: 'POST', path: UPLOAD, fault });
    const error = await errorOf(() => send(scene, {}, [1000]));
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
    expect(error.message).toMatch(/^mirror 'north': [^\n]{1,400}$/);
    expect(error.hint).toMatch(hint);
    expect(error.message + error.hint).not.toContain(scene.place.token);
    expect(countRequests(scene.server, 'POST', UPLOAD)).toBe(tries);
  });
});

describe('an upload that is too slow', () => {
  it('is given up below the minimum rate, and left to mirrors sync', async () => {
    const scene = await giteaScene();
    const fault = { kind: 'hold', ms: 30_000 } as const;
    scene.server.rules.push({ method: 'POST', path: UPLOAD, fault });
    const started = performance.now();
    const error = await errorOf(() =>
      send(scene, { minRate: '10M', deadline: '4s' }, [20_000_000]),
    );
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(error.code).toBe('TOO_SLOW');
    expect(error.message).toMatch(
      /^mirror 'north': 'part-0\.zst' went out too slowly: expected at least 10 MiB\/s, found .+ over 1\.0 s: left to 'mirrors sync'$/,
    );
    expect(error.hint).toContain("'mirrors sync --to north'");
    expect(countRequests(scene.server, 'POST', UPLOAD)).toBe(1);
  });

  it('is given up at its deadline, all tries together', async () => {
    const scene = await giteaScene();
    const started = performance.now();
    const error = await errorOf(() => send(scene, { rate: '50K', deadline: '2s' }, [1_000_000]));
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(error.code).toBe('TOO_SLOW');
    expect(error.message).toBe(
      "mirror 'north': 'part-0.zst' was not there within 2.0 s: left to 'mirrors sync'",
    );
    expect(error.hint).toContain("'mirrors sync --to north'");
    expect(contentsOf(scene.server).assets['v1.0.0 (draft)']).toEqual([]);
  });
});

describe('uploads to one mirror', () => {
  it.each([
    [1, 1],
    [3, 3],
    [undefined, 2],
  ])('with a concurrency of %s are at most %i at once', async (concurrency, expected) => {
    const scene = await giteaScene();
    let [running, most] = [0, 0];
    const isUpload = (method: string, path: string): boolean =>
      method === 'POST' && UPLOAD.test(path);
    scene.server.hooks.choose = (method, path) => {
      if (isUpload(method, path)) most = Math.max(most, (running += 1));
      return undefined;
    };
    scene.server.hooks.handled = (method, path) => {
      if (isUpload(method, path)) running -= 1;
    };
    const upload = concurrency === undefined ? {} : { concurrency };
    await send(scene, { ...upload, rate: '2M' }, [700_000, 700_000, 700_000, 700_000, 700_000]);
    expect(most).toBe(expected);
    expect(contentsOf(scene.server).assets['v1.0.0']).toHaveLength(5);
  });

  it('share their rate', async () => {
    const scene = await giteaScene();
    const started = performance.now();
    // One second's worth may go at once.
    await send(scene, { rate: '200K' }, [200_000, 200_000, 200_000]);
    const ms = performance.now() - started;
    expect(ms).toBeGreaterThan(1800);
    expect(ms).toBeLessThan(15_000);
    expect(contentsOf(scene.server).assets['v1.0.0']).toHaveLength(3);
  });

  it.each<[string, unknown, string]>([
    ['no number', { rate: 'fast' }, "'0.upload.rate': expected bytes a second"],
    ['nothing a second', { minRate: 0 }, "'0.upload.minRate': expected bytes a second"],
    ['no duration', { deadline: 'soon' }, "'0.upload.deadline': expected milliseconds"],
    ['none at once', { concurrency: 0 }, "'0.upload.concurrency'"],
    [
      'a rate that is too slow for itself',
      { rate: '1K', minRate: '2K' },
      "a 'rate' above 'minRate'",
    ],
  ])('are refused in a configuration with %s', async (_, upload, words) => {
    const config = { type: 'gitea', url: 'https://a.test', repository: 'a/b', upload };
    const error = await errorOf(() => openWritableMirrors([config as MirrorConfig]));
    expect([error.code, error.exit]).toEqual(['CONFIG', 2]);
    expect(error.message).toContain(words);
  });
});
