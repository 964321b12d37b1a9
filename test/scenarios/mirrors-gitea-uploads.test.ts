/** Uploads to Gitea when answers are lost, leftovers lie about, or the server says no. */
import { writeFileSync } from 'node:fs';
import type { WritableMirror } from '@landfall/mirrors';
import { describe, expect, it, onTestFinished } from 'vitest';
import { errorOf } from '../harness/errors.ts';
import { countRequests, giteaScene, type GiteaScene, writerTo } from '../harness/gitea-scene.ts';
import type { Release } from '../harness/gitea-stand-in/state.ts';
import { askGitea, releaseOf, uploadAsset } from '../harness/gitea-subject.ts';
import { type Fault, startFaultyServer } from '../harness/http-faults.ts';
import { makeArtifact } from '../mirrors/conformance.ts';

const VERSION = '1.2.3';
const UPLOAD = /\/assets\?name=/;
type Artifact = ReturnType<typeof makeArtifact>;

async function publish(writer: WritableMirror, artifacts: readonly Artifact[]): Promise<void> {
  const release = { version: VERSION, notes: 'notes', prerelease: false, files: artifacts };
  await writer.ensureRelease(release, {});
  for (const each of artifacts) await writer.uploadArtifact(VERSION, each.path, each);
}

/** Name and size of every asset of the release. */
async function assetsOf({ place }: GiteaScene): Promise<string[]> {
  const { assets } = await releaseOf(place, VERSION);
  return assets.map((each) => `${each.name} ${each.size}`);
}

describe('an answer that is lost', () => {
  it.each<[string, Fault, number]>([
    ['after the upload took effect', { kind: 'drop-after' }, 1],
    ['behind a proxy that says 502', { kind: 'status-after', status: 502 }, 1],
    ['before the upload was read', { kind: 'drop-before' }, 2],
    ['in the middle of the upload', { kind: 'drop-during', bytes: 100_000 }, 2],
    ['at a proxy that says 503', { kind: 'status', status: 503 }, 2],
  ])('makes no second asset: %s', async (_, fault, uploads) => {
    const scene = await giteaScene();
    scene.server.rules.push({ method: 'POST', path: UPLOAD, times: 1, fault });
    const artifact = makeArtifact('web-ui.tar.zst', 400_000);
    await publish(scene.writer, [artifact]);
    expect(await assetsOf(scene)).toEqual(['web-ui.tar.zst 400000']);
    expect(countRequests(scene.server, 'POST', UPLOAD)).toBe(uploads);
    expect((await releaseOf(scene.place, VERSION)).draft).toBe(false);
  });

  it.each<[string, string, RegExp]>([
    ['creating the release', 'POST', /\/releases$/],
    ['publishing it', 'PATCH', /\/releases\/\d+$/],
    ['removing a leftover', 'DELETE', /\/assets\/\d+$/],
    ['looking for the release', 'GET', /\/releases\/tags\//],
    ['listing assets', 'GET', /\/assets$/],
    ['reading back', 'GET', /^\/attachments\//],
    ['pushing the first commit', 'POST', /git-receive-pack$/],
  ])('is survived when %s', async (_, method, path) => {
    const scene = await giteaScene();
    scene.server.rules.push({ method, path, times: 1, fault: { kind: 'drop-after' } });
    const artifact = makeArtifact('web-ui.tar.zst', 1000);
    const release = { version: VERSION, notes: '', prerelease: false, files: [artifact] };
    await scene.writer.ensureRelease(release, {});
    const { id } = await releaseOf(scene.place, VERSION);
    await uploadAsset(scene.place, id, artifact.file, Buffer.from('leftover'));
    await scene.writer.uploadArtifact(VERSION, artifact.path, artifact);
    expect(await assetsOf(scene)).toEqual(['web-ui.tar.zst 1000']);
    expect((await releaseOf(scene.place, VERSION)).draft).toBe(false);
    expect(scene.server.repository().releases).toHaveLength(1);
  });

  it('is given up after three tries, with the reason, and the next run completes it', async () => {
    const scene = await giteaScene();
    const rule = { method: 'POST', path: UPLOAD, fault: { kind: 'status', status: 502 } as const };
    scene.server.rules.push(rule);
    const artifact = makeArtifact('web-ui.tar.zst', 1000);
    const error = await errorOf(() => publish(scene.writer, [artifact]));
    expect(error.code).toBe('BAD_ANSWER');
    expect(error.message).toContain("the server failed (502): 'a page of HTML'");
    expect(countRequests(scene.server, 'POST', UPLOAD)).toBe(3);
    scene.server.rules.length = 0;
    await publish(writerTo(scene.place), [artifact]);
    expect(await assetsOf(scene)).toEqual(['web-ui.tar.zst 1000']);
  });
});

describe('leftovers', () => {
  it('go only after the good asset was read and hashed', async () => {
    const scene = await giteaScene();
    const artifact = makeArtifact('web-ui.tar.zst', 5000);
    const release = { version: VERSION, notes: '', prerelease: false, files: [artifact] };
    await scene.writer.ensureRelease(release, {});
    const { id } = await releaseOf(scene.place, VERSION);
    for (const bytes of [Buffer.alloc(10), Buffer.alloc(5000), artifact.bytes, artifact.bytes]) {
      await uploadAsset(scene.place, id, artifact.file, bytes);
    }
    await uploadAsset(scene.place, id, 'notes.txt', Buffer.from('of somebody else'));
    scene.server.requests.length = 0;
    await scene.writer.uploadArtifact(VERSION, artifact.path, artifact);
    expect(await assetsOf(scene)).toEqual(['notes.txt 16', 'web-ui.tar.zst 5000']);
    const done = scene.server.requests.map(({ method, url }) => `${method} ${url.split('/')[1]}`);
    expect(done.filter((each) => each === 'GET attachments')).toHaveLength(2);
    expect(done.lastIndexOf('GET attachments')).toBeLessThan(done.indexOf('DELETE api'));
    expect(countRequests(scene.server, 'POST', UPLOAD)).toBe(0);
  });

  it('stay when nothing good was found', async () => {
    const scene = await giteaScene();
    const artifact = makeArtifact('web-ui.tar.zst', 5000);
    const release = { version: VERSION, notes: '', prerelease: false, files: [artifact] };
    await scene.writer.ensureRelease(release, {});
    const { id } = await releaseOf(scene.place, VERSION);
    await uploadAsset(scene.place, id, artifact.file, Buffer.alloc(5000));
    scene.server.rules.push({ path: /^\/attachments\//, fault: { kind: 'wrong-bytes' } });
    const error = await errorOf(() =>
      scene.writer.uploadArtifact(VERSION, artifact.path, artifact),
    );
    expect(error.code).toBe('BAD_ANSWER');
    expect(error.message).toContain("'web-ui.tar.zst' came out wrong after its upload");
    expect(error.message).toContain(artifact.sha256);
    expect(countRequests(scene.server, 'DELETE', /./)).toBe(0);
    expect((await releaseOf(scene.place, VERSION)).assets).toHaveLength(2);
  });
});

describe('another machine that uploads the same', () => {
  const artifact = (): Artifact => makeArtifact('web-ui.tar.zst', 5000);

  async function sceneWith(one: Artifact): Promise<{ scene: GiteaScene; release: Release }> {
    const scene = await giteaScene();
    const info = { version: VERSION, notes: '', prerelease: false, files: [one] };
    await scene.writer.ensureRelease(info, {});
    const [release] = scene.server.repository().releases;
    if (release === undefined) throw new Error('no release');
    return { scene, release };
  }

  /** Another machine's upload arrives while ours is under way; its asset is the older one. */
  function plantAfterLook({ server }: GiteaScene, release: Release, { bytes }: Artifact): number {
    const uuid = server.state.newUuid();
    writeFileSync(server.state.attachment(uuid), bytes);
    return server.state.addAsset(release, { uuid, name: 'web-ui.tar.zst', size: bytes.length }).id;
  }

  it.each([false, true])('keeps its own, which is older; it removed ours: %s', async (removed) => {
    const one = artifact();
    const { scene, release } = await sceneWith(one);
    let planted: number | undefined;
    scene.server.hooks.handled = (method, path) => {
      if (method === 'GET' && path.endsWith('/assets')) {
        planted ??= plantAfterLook(scene, release, one);
      }
      const ours = release.assets.at(-1);
      if (!removed || method !== 'POST' || !UPLOAD.test(path) || ours === undefined) return;
      scene.server.state.removeAsset(release, ours);
    };
    await scene.writer.uploadArtifact(VERSION, one.path, one);
    expect(countRequests(scene.server, 'POST', UPLOAD)).toBe(1);
    expect(release.assets.map(({ id }) => id)).toEqual([planted]);
    expect(release.draft).toBe(false);
  });

  it('and removes ours, with none of its own, is told of', async () => {
    const one = artifact();
    const { scene, release } = await sceneWith(one);
    scene.server.hooks.handled = (method, path) => {
      const [ours] = release.assets;
      if (method === 'POST' && UPLOAD.test(path) && ours !== undefined) {
        scene.server.state.removeAsset(release, ours);
      }
    };
    const error = await errorOf(() => scene.writer.uploadArtifact(VERSION, one.path, one));
    expect(error.message).toContain("'web-ui.tar.zst' is not there after its upload");
    expect(error.hint).toContain('somebody else may be shipping this version');
  });

  it('is not blamed alone for what the server lists and does not serve', async () => {
    const one = artifact();
    const { scene } = await sceneWith(one);
    const fault = { kind: 'status', status: 404 } as const;
    scene.server.rules.push({ method: 'GET', path: /\/attachments\//, fault });
    const error = await errorOf(() => scene.writer.uploadArtifact(VERSION, one.path, one));
    expect(error.message).toContain('found 1 that cannot be read, or are of other bytes');
    expect(error.hint).toMatch(/^look at the server's storage for attachments; or somebody else/);
  });

  it('at the very same time leaves one', async () => {
    const one = artifact();
    const { scene, release } = await sceneWith(one);
    const fault = { kind: 'delay', ms: 400 } as const;
    scene.server.rules.push({ method: 'POST', path: UPLOAD, fault });
    const writers = [1, 2, 3].map(() => writerTo(scene.place));
    await Promise.all(writers.map((writer) => publish(writer, [one])));
    expect(release.assets.map(({ name, size }) => `${name} ${size}`)).toEqual([
      'web-ui.tar.zst 5000',
    ]);
  });
});

describe('a release', () => {
  it('is a draft until its last artifact is there', async () => {
    const scene = await giteaScene();
    const [a, b] = [makeArtifact('a.tar.zst', 10), makeArtifact('b.zst', 20)];
    const release = { version: VERSION, notes: 'what changed', prerelease: true, files: [a, b] };
    await scene.writer.ensureRelease(release, {});
    await scene.writer.uploadArtifact(VERSION, a.path, a);
    expect((await releaseOf(scene.place, VERSION)).draft).toBe(true);
    await scene.writer.uploadArtifact(VERSION, b.path, b);
    expect(await releaseOf(scene.place, VERSION)).toMatchObject({
      draft: false,
      prerelease: true,
      body: 'what changed',
      tag_name: 'v1.2.3',
    });
  });

  it('that a killed run left as a hidden draft is found again', async () => {
    const scene = await giteaScene('north', { draftsArePublic: false });
    const artifact = makeArtifact('a.tar.zst', 10);
    const release = { version: VERSION, notes: '', prerelease: false, files: [artifact] };
    await scene.writer.ensureRelease(release, {});
    await publish(writerTo(scene.place), [artifact]);
    expect(scene.server.repository().releases).toHaveLength(1);
    expect(await assetsOf(scene)).toEqual(['a.tar.zst 10']);
  });

  it('that a killed run did not publish any more is published by the next', async () => {
    const scene = await giteaScene('north', { draftsArePublic: false });
    const artifact = makeArtifact('a.tar.zst', 10);
    const rule = { method: 'PATCH', fault: { kind: 'drop-before' } as const };
    scene.server.rules.push(rule);
    await errorOf(() => publish(scene.writer, [artifact]));
    expect((await releaseOf(scene.place, VERSION)).draft).toBe(true);
    scene.server.rules.length = 0;
    await publish(writerTo(scene.place), [artifact]);
    expect((await releaseOf(scene.place, VERSION)).draft).toBe(false);
  });

  it('is made when the server has noticed that the repository is not empty any more', async () => {
    const scene = await giteaScene();
    scene.server.repository().asleep = 2;
    const artifact = makeArtifact('web-ui.tar.zst', 1000);
    await publish(scene.writer, [artifact]);
    expect((await releaseOf(scene.place, VERSION)).draft).toBe(false);
    expect(countRequests(scene.server, 'POST', /\/releases$/)).toBe(3);
  });

  it('of many others is found behind the first page', async () => {
    const scene = await giteaScene('north', { draftsArePublic: false, autoInit: true });
    const artifact = makeArtifact('a.tar.zst', 10);
    await scene.writer.ensureRelease(
      { version: VERSION, notes: '', prerelease: false, files: [artifact] },
      {},
    );
    for (let count = 0; count < 60; count += 1) {
      const body = JSON.stringify({ tag_name: `v0.0.${count}`, draft: true });
      await askGitea(scene.place, 'POST', 'repos/ship/landfall/releases', body);
    }
    await publish(writerTo(scene.place), [artifact]);
    expect(scene.server.repository().releases).toHaveLength(61);
  });
});

describe('a server that says no', () => {
  it.each<[number, string, string]>([
    [401, 'UNAUTHORIZED', 'wants a login'],
    [403, 'FORBIDDEN', 'forbids it'],
    [404, 'NOT_FOUND', 'has no such thing'],
    [409, 'REJECTED', 'in conflict'],
    [413, 'REJECTED', 'too large'],
    [422, 'REJECTED', 'not valid'],
    [500, 'BAD_ANSWER', 'the server failed'],
  ])('to an upload with %i is quoted in words of its own', async (status, code, words) => {
    const scene = await giteaScene();
    scene.server.rules.push({ method: 'POST', path: UPLOAD, fault: { kind: 'status', status } });
    const error = await errorOf(() =>
      publish(scene.writer, [makeArtifact('a.tar.zst', 3_000_000)]),
    );
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
    expect(error.message).not.toContain(scene.place.token);
    expect(countRequests(scene.server, 'POST', UPLOAD)).toBe(status < 500 ? 1 : 3);
  });

  it.each<[string, Fault, string, string]>([
    ['a login page with 200', { kind: 'html' }, 'BAD_ANSWER', 'expected JSON, found an HTML page'],
    [
      'a redirect elsewhere',
      { kind: 'redirect', to: 'http://127.0.0.1:9/' },
      'REDIRECT_REFUSED',
      "found 'http://127.0.0.1:9'",
    ],
    ['a body without an end', { kind: 'endless' }, 'TOO_LARGE', 'too large'],
  ])('with %s is told apart', async (_, fault, code, words) => {
    const scene = await giteaScene();
    scene.server.rules.push({ path: /^\/api\//, fault });
    const error = await errorOf(() => scene.writer.checkWritable({}));
    expect([error.code, error.message.includes(words), error.message]).toEqual([
      code,
      true,
      error.message,
    ]);
  });

  it('because the token is wrong says so, for the API and for git', async () => {
    const scene = await giteaScene('north', { autoInit: true });
    const writer = writerTo({ ...scene.place, token: 'wrong-token' });
    const api = await errorOf(() => writer.checkWritable({}));
    expect(api.code).toBe('UNAUTHORIZED');
    expect(api.message).toContain("wants a login (401): 'token is required'");
    const update = {
      files: new Map(),
      commit: { repository: scene.server.repository().git, id: '1'.repeat(40) },
    };
    const git = await errorOf(() => writer.writeIndex(update, {}));
    expect(git.message).not.toContain('wrong-token');
  });

  it('to a repository that is not there, archived, a pull mirror, or not ours to push to', async () => {
    const { place } = await giteaScene();
    const missing = await errorOf(() =>
      writerTo({ ...place, repository: 'ship/none' }).checkWritable({}),
    );
    expect(missing.code).toBe('NOT_FOUND');
    for (const [fields, words] of [
      [{ archived: true }, 'is archived'],
      [{ mirror: true }, 'is a pull mirror'],
      [{ permissions: { push: false } }, "user 'ship' may not push"],
    ] as const) {
      const server = await startFaultyServer(async (request) => {
        const body = request.url === '/api/v1/user' ? { login: 'ship' } : fields;
        const found = !request.url?.includes('/branches/');
        return {
          status: found ? 200 : 404,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        };
      });
      onTestFinished(() => server.stop());
      const error = await errorOf(() => writerTo({ ...place, url: server.url }).checkWritable({}));
      expect(error.code).toBe('NOT_WRITABLE');
      expect(error.message).toContain(words);
    }
  });

  it('and repeats our token: it is taken out of the message', async () => {
    const { place } = await giteaScene();
    const server = await startFaultyServer(async (request) => ({
      status: 422,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        message: `bad: ${request.headers.authorization}\u001b[31m\nnext line`,
      }),
    }));
    onTestFinished(() => server.stop());
    const error = await errorOf(() => writerTo({ ...place, url: server.url }).checkWritable({}));
    expect(error.message).toContain("'bad: token *** [31m next line'");
    expect(error.message).not.toContain(place.token);
  });
});
