/** Pushing the index: lost answers, servers that say no, races, and where the token goes. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { prepareIndexUpdate } from '@landfall/mirrors';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ReadIndexFile } from '../../mirrors/signed-index.ts';
import { errorOf } from '../harness/errors.ts';
import { countRequests, writerTo } from '../harness/gitea-scene.ts';
import {
  copyHistory,
  filesOf,
  head,
  prepare,
  scenes,
  writeAll,
  writersOf,
} from '../harness/index-scene.ts';
import { temporaryFolder } from '../harness/temporary.ts';

describe('a push', () => {
  it.each([
    ['lost after it took effect', { kind: 'drop-after' } as const],
    ['lost before', { kind: 'drop-before' } as const],
    ['answered 502', { kind: 'status', status: 502 } as const],
    ['answered 502 after it took effect', { kind: 'status-after', status: 502 } as const],
  ])('whose answer is %s is repeated safely', async (_, fault) => {
    const [scene] = await scenes('a');
    if (scene === undefined) throw new Error('no server');
    await scene.writer.writeIndex(await prepare([scene.writer], 1), {});
    const update = await prepare([scene.writer], 2);
    scene.server.rules.push({ method: 'POST', path: /git-receive-pack$/, times: 1, fault });
    await scene.writer.writeIndex(update, {});
    expect(head(scene)).toBe(update.commit?.id);
  });

  it('whose answer ends in its middle is found to have taken effect', async () => {
    const [scene] = await scenes('a');
    if (scene === undefined) throw new Error('no server');
    await scene.writer.writeIndex(await prepare([scene.writer], 1), {});
    const update = await prepare([scene.writer], 2);
    // git itself would wait for the rest for ever.
    const fault = { kind: 'short' } as const;
    scene.server.rules.push({ method: 'POST', path: /git-receive-pack$/, times: 1, fault });
    const started = performance.now();
    await scene.writer.writeIndex(update, {});
    expect(performance.now() - started).toBeLessThan(60_000);
    expect(head(scene)).toBe(update.commit?.id);
  });

  it.each([
    [
      'echo "protected branch: ask the maintainers" >&2; exit 1',
      'FORBIDDEN',
      'the branch is protected',
    ],
    ['echo "no releases on Fridays" >&2; exit 1', 'REJECTED', "(git: 'no releases on Fridays')"],
  ])('that a hook declines quotes it: %s', async (script, code, words) => {
    const [scene] = await scenes('a');
    if (scene === undefined) throw new Error('no server');
    const hook = join(scene.server.repository().git, 'hooks/pre-receive');
    execFileSync('mkdir', ['-p', join(hook, '..')]);
    writeFileSync(hook, `#!/bin/sh\n${script}\n`);
    chmodSync(hook, 0o755);
    const update = await prepare([scene.writer]);
    const error = await errorOf(() => scene.writer.writeIndex(update, {}));
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
    expect(head(scene)).toBeUndefined();
  });

  it('with a wrong token is told apart', async () => {
    const [scene] = await scenes('a');
    if (scene === undefined) throw new Error('no server');
    const update = await prepare([scene.writer]);
    const stranger = writerTo({ ...scene.place, token: 'wrong' }, 'a');
    const error = await errorOf(() => stranger.writeIndex(update, {}));
    expect(error.code).toBe('UNAUTHORIZED');
    expect(error.message).toContain('the server wants another login');
  });

  it('follows no redirect', async () => {
    const [scene, other] = await scenes('a', 'other');
    if (scene === undefined || other === undefined) throw new Error('no server');
    const update = await prepare([scene.writer]);
    const to = `${other.server.url}/ship/landfall.git/info/refs?service=git-receive-pack`;
    scene.server.rules.push({ path: /info\/refs/, fault: { kind: 'redirect', to } });
    const error = await errorOf(() => scene.writer.writeIndex(update, {}));
    expect(error.code).toBe('REDIRECT_REFUSED');
    expect(other.server.requests).toEqual([]);
  });

  it('stops with the reason it was given, and git with it', async () => {
    const [scene] = await scenes('a');
    if (scene === undefined) throw new Error('no server');
    const update = await prepare([scene.writer]);
    scene.server.rules.push({ path: /info\/refs/, fault: { kind: 'delay', ms: 60_000 } });
    const reason = new Error('enough');
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 300);
    const started = performance.now();
    await expect(scene.writer.writeIndex(update, { signal: controller.signal })).rejects.toBe(
      reason,
    );
    expect(performance.now() - started).toBeLessThan(5000);
    const running = execFileSync('ps', ['-eo', 'args']).toString();
    expect(running).not.toContain(scene.server.url);
  });
});

describe('the head that is pushed over', () => {
  const read = async (from: ReadIndexFile): Promise<string> =>
    Buffer.from((await from('releases/manifest.json', 1000)) ?? [])
      .toString()
      .trim();

  it('is the very one that was looked at, also when the other is in our history', async () => {
    const [a, b] = await scenes('a', 'b');
    if (a === undefined || b === undefined) throw new Error('no server');
    await writeAll([a, b], await prepare([a.writer, b.writer], 1));
    await a.writer.writeIndex(await prepare([a.writer], 2), {});
    const newer = head(a);
    const update = await prepare([a.writer, b.writer], 3);
    const looks: string[] = [];
    const before = async (from: ReadIndexFile): Promise<void> => {
      looks.push(await read(from));
      if (looks.length > 1) throw new Error('enough');
      copyHistory(a, b);
    };
    await expect(b.writer.writeIndex(update, { before })).rejects.toThrow('enough');
    expect(looks).toEqual(['{"sequence":1}', '{"sequence":2}']);
    expect(head(b)).toBe(newer);
  });

  it('is looked at before a commit is made on it', async () => {
    const [scene] = await scenes('a');
    if (scene === undefined) throw new Error('no server');
    await scene.writer.writeIndex(await prepare([scene.writer], 1), {});
    const made = prepareIndexUpdate({
      mirrors: [scene.writer],
      files: filesOf(2),
      message: 'Release 1.0.2',
      date: '2026-04-22T19:00:00Z',
      repository: join(temporaryFolder(), 'index.git'),
      before: async (from) => {
        throw new Error(await read(from));
      },
    });
    await expect(made).rejects.toThrow('{"sequence":1}');
  });
});

describe('locks', () => {
  it('of a server that is writing the branch are waited for', async () => {
    const [scene] = await scenes('a');
    if (scene === undefined) throw new Error('no server');
    await scene.writer.writeIndex(await prepare([scene.writer], 1), {});
    const update = await prepare([scene.writer], 2);
    const lock = join(scene.server.repository().git, 'refs/heads/main.lock');
    writeFileSync(lock, '');
    setTimeout(() => rmSync(lock), 400);
    await scene.writer.writeIndex(update, {});
    expect(head(scene)).toBe(update.commit?.id);
  });

  it('that a killed run left in the scratch repository are not in the way', async () => {
    const all = await scenes('a', 'b');
    const repository = join(temporaryFolder(), 'index.git');
    const first = await prepare(writersOf(all), 1, repository);
    await writeAll(all, first);
    for (const name of [
      `refs/landfall/heads/${first.commit?.id}.lock`,
      'packed-refs.lock',
      'index.lock',
    ]) {
      mkdirSync(join(repository, name, '..'), { recursive: true });
      writeFileSync(join(repository, name), '');
    }
    const second = await prepare(writersOf(all), 2, repository);
    await writeAll(all, second);
    expect(all.map(head)).toEqual([second.commit?.id, second.commit?.id]);
  });
});

describe('the token', () => {
  it("is in no argument of git's, in no file of the scratch repository, in no anonymous request", async () => {
    const [scene] = await scenes('a');
    if (scene === undefined) throw new Error('no server');
    const log = spyOnGit();
    const repository = join(temporaryFolder(), 'index.git');
    await scene.writer.ensureRelease(
      { version: '1.0.0', notes: '', prerelease: false, files: [] },
      {},
    );
    await scene.writer.writeIndex(await prepare([scene.writer], 1, repository), {});
    const basic = Buffer.from(`landfall:${scene.place.token}`).toString('base64');
    const args = readFileSync(log, 'utf8');
    expect(args).toContain('push --quiet');
    expect(args).toContain('fetch --quiet');
    for (const secret of [scene.place.token, basic]) {
      expect(args).not.toContain(secret);
      for (const name of readdirSync(repository, { recursive: true, withFileTypes: true })) {
        if (!name.isFile()) continue;
        expect(readFileSync(join(name.parentPath, name.name), 'latin1')).not.toContain(secret);
      }
    }
    const limits = { maxBytes: 1000, deadlineMs: 5000 };
    scene.server.requests.length = 0;
    await scene.writer.readIndex('releases/manifest.json', limits);
    await scene.writer.statArtifact('1.0.0', 'a.zst', limits);
    expect(scene.server.requests.map(({ authorization }) => authorization)).toEqual([
      undefined,
      undefined,
    ]);
    expect(countRequests(scene.server, 'GET', /raw\/branch\/main/)).toBe(1);
  });
});

/** Puts a `git` before the real one that writes down its arguments; the file they are in. */
function spyOnGit(): string {
  const folder = temporaryFolder();
  const log = join(folder, 'arguments');
  const real = execFileSync('sh', ['-c', 'command -v git']).toString().trim();
  writeFileSync(join(folder, 'git'), `#!/bin/sh\necho "$@" >>'${log}'\nexec '${real}' "$@"\n`);
  chmodSync(join(folder, 'git'), 0o755);
  const before = process.env['PATH'];
  process.env['PATH'] = `${folder}${delimiter}${before}`;
  onTestFinished(() => {
    process.env['PATH'] = before;
  });
  return log;
}
