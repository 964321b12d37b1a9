/** The index as one commit on all git mirrors: newest head, fast-forward, divergence, lost answers. */
import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import {
  type IndexUpdate,
  openWritableMirrors,
  prepareIndexUpdate,
  type WritableMirror,
} from '@landfall/mirrors';
import { describe, expect, it, onTestFinished } from 'vitest';
import { errorOf } from '../harness/errors.ts';
import { countRequests, giteaScene, type GiteaScene, writerTo } from '../harness/gitea-scene.ts';
import { commitFiles, headOf, runGit } from '../harness/gitea-stand-in/state.ts';
import { mirrorFolder } from '../harness/mirror-folder.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const DATE = '2026-04-22T19:00:00Z';

function filesOf(sequence: number): Map<string, Uint8Array> {
  return new Map([
    ['releases/manifest.json', Buffer.from(`{"sequence":${sequence}}\n`)],
    ['releases/manifest.json.minisig', Buffer.from(`signature ${sequence}\n`)],
  ]);
}

function prepare(
  mirrors: readonly WritableMirror[],
  sequence = 1,
  repository = join(temporaryFolder(), 'index.git'),
): Promise<IndexUpdate> {
  const message = `Release 1.0.${sequence}`;
  return prepareIndexUpdate({ mirrors, files: filesOf(sequence), message, date: DATE, repository });
}

const head = ({ server }: GiteaScene): string | undefined => headOf(server.repository(), 'main');
const writersOf = (all: readonly GiteaScene[]): WritableMirror[] => all.map(({ writer }) => writer);

async function scenes(...names: string[]): Promise<GiteaScene[]> {
  return Promise.all(names.map((name) => giteaScene(name)));
}

/** Gives the second server the first one's history, as a mirror that was cloned. */
function copyHistory(from: GiteaScene, to: GiteaScene): void {
  const { git } = from.server.repository();
  runGit(to.server.repository().git, ['fetch', '--quiet', git, '+refs/heads/main:refs/heads/main']);
}

function show(scene: GiteaScene, format: string): string {
  return runGit(scene.server.repository().git, [
    'show',
    '-s',
    `--format=${format}`,
    'refs/heads/main',
  ]);
}

function fileAt(scene: GiteaScene, path: string): string {
  return runGit(scene.server.repository().git, ['show', `refs/heads/main:${path}`]);
}

async function writeAll(all: readonly GiteaScene[], update: IndexUpdate): Promise<void> {
  await Promise.all(all.map(({ writer }) => writer.writeIndex(update, {})));
}

describe('an index commit', () => {
  it('is the same object on all mirrors, with a fixed author and the release date', async () => {
    const all = await scenes('a', 'b', 'c');
    const update = await prepare(writersOf(all));
    await writeAll(all, update);
    expect(all.map(head)).toEqual([update.commit?.id, update.commit?.id, update.commit?.id]);
    const [first] = all;
    if (first === undefined) throw new Error('no server');
    expect(show(first, '%an <%ae> %aI|%cn <%ce> %cI|%s')).toBe(
      'Landfall <landfall@localhost> 2026-04-22T19:00:00+00:00|Landfall <landfall@localhost> 2026-04-22T19:00:00+00:00|Release 1.0.1',
    );
    expect(fileAt(first, 'releases/manifest.json')).toBe('{"sequence":1}');
  });

  it('is the same object made again elsewhere, before and after it was pushed', async () => {
    const all = await scenes('a', 'b');
    const [first] = all;
    const once = await prepare(writersOf(all));
    const elsewhere = await prepare(writersOf(all).toReversed());
    expect(elsewhere.commit?.id).toBe(once.commit?.id);
    await first?.writer.writeIndex(once, {});
    const afterwards = await prepare(writersOf(all));
    expect(afterwards.commit?.id).toBe(once.commit?.id);
    await writeAll(all, afterwards);
    expect(all.map(head)).toEqual([once.commit?.id, once.commit?.id]);
  });

  it('keeps what else is on the branch, and its history', async () => {
    const [scene] = await scenes('a');
    if (scene === undefined) throw new Error('no server');
    const before = commitFiles(
      scene.server.repository(),
      'main',
      { 'src/app.ts': 'code\n', 'releases/beta/manifest.json': '{}\n' },
      'Source',
    );
    await scene.writer.writeIndex(await prepare([scene.writer]), {});
    expect(fileAt(scene, 'src/app.ts')).toBe('code');
    expect(fileAt(scene, 'releases/beta/manifest.json')).toBe('{}');
    expect(show(scene, '%P')).toBe(before);
  });

  it('takes nothing from the environment of a git hook, nor touches a working tree', async () => {
    const [scene] = await scenes('a');
    if (scene === undefined) throw new Error('no server');
    const tree = temporaryFolder();
    execFileSync('git', ['init', '--quiet', tree]);
    writeFileSync(join(tree, 'file'), 'mine');
    const before = readdirSync(join(tree, '.git'), { recursive: true }).map(String).toSorted();
    for (const [name, value] of [
      ['GIT_DIR', join(tree, '.git')],
      ['GIT_WORK_TREE', tree],
      ['GIT_INDEX_FILE', join(tree, '.git/index')],
      ['GIT_AUTHOR_NAME', 'somebody else'],
    ] as const) {
      process.env[name] = value;
      onTestFinished(() => void delete process.env[name]);
    }
    const update = await prepare([scene.writer]);
    await scene.writer.writeIndex(update, {});
    expect(show(scene, '%an')).toBe('Landfall');
    expect(readdirSync(join(tree, '.git'), { recursive: true }).map(String).toSorted()).toEqual(
      before,
    );
  });

  it('is not made when no mirror has a git branch', async () => {
    const mirrors = openWritableMirrors([{ type: 'directory', path: mirrorFolder() }]);
    const repository = join(temporaryFolder(), 'index.git');
    const update = await prepare(mirrors, 1, repository);
    expect(update).toEqual({ files: filesOf(1) });
    expect(() => readdirSync(repository)).toThrow('ENOENT');
  });
});

describe('mirrors with different heads', () => {
  it('all fast-forward to a commit on the newest', async () => {
    const all = await scenes('a', 'b', 'c');
    const [a, b, c] = all;
    if (a === undefined || b === undefined || c === undefined) throw new Error('no server');
    commitFiles(a.server.repository(), 'main', { 'README.md': 'one\n' }, 'One');
    copyHistory(a, b);
    copyHistory(a, c);
    const newest = commitFiles(b.server.repository(), 'main', { 'README.md': 'two\n' }, 'Two');
    const update = await prepare(writersOf(all));
    await writeAll(all, update);
    expect(all.map(head)).toEqual([update.commit?.id, update.commit?.id, update.commit?.id]);
    expect(show(a, '%P')).toBe(newest);
    expect(fileAt(c, 'README.md')).toBe('two');
  });

  it('report the one that has diverged with both heads, leave it alone, and go on', async () => {
    const all = await scenes('a', 'b', 'c');
    const [a, b, c] = all;
    if (a === undefined || b === undefined || c === undefined) throw new Error('no server');
    commitFiles(a.server.repository(), 'main', { 'README.md': 'one\n' }, 'One');
    copyHistory(a, b);
    const other = commitFiles(c.server.repository(), 'main', { 'README.md': 'other\n' }, 'Other');
    const update = await prepare(writersOf(all));
    await writeAll([a, b], update);
    const error = await errorOf(() => c.writer.writeIndex(update, {}));
    expect(error.code).toBe('DIVERGED');
    expect(error.message).toBe(
      `mirror 'c': branch 'main' has diverged: expected an ancestor of ${update.commit?.id}, found ${other}`,
    );
    expect(head(c)).toBe(other);
    expect([head(a), head(b)]).toEqual([update.commit?.id, update.commit?.id]);
  });

  it('do not follow one that has gone its own way, also when it says it is newer', async () => {
    const all = await scenes('a', 'b', 'c');
    const [a, b, c] = all;
    if (a === undefined || b === undefined || c === undefined) throw new Error('no server');
    commitFiles(b.server.repository(), 'main', { 'README.md': 'one\n' }, 'One');
    copyHistory(b, c);
    const later = { GIT_COMMITTER_DATE: '@4000000000 +0000' };
    const { git } = a.server.repository();
    const tree = runGit(git, ['hash-object', '-w', '-t', 'tree', '--stdin']);
    const future = runGit(git, ['commit-tree', tree, '-m', 'Future'], { env: later });
    runGit(git, ['update-ref', 'refs/heads/main', future]);
    const update = await prepare(writersOf(all));
    await writeAll([b, c], update);
    expect((await errorOf(() => a.writer.writeIndex(update, {}))).code).toBe('DIVERGED');
  });

  it('leave out one that is down, which a later run brings along with the same commit', async () => {
    const all = await scenes('a', 'b', 'c');
    const [a, b, c] = all;
    if (a === undefined || b === undefined || c === undefined) throw new Error('no server');
    await writeAll(all, await prepare(writersOf(all), 1));
    await c.server.stop();
    const update = await prepare(writersOf(all), 2);
    await writeAll([a, b], update);
    const error = await errorOf(() => c.writer.writeIndex(update, {}));
    expect(error.code).toBe('UNREACHABLE');
    expect(error.message).toContain("cannot look at 'main': the server cannot be reached");
    await c.server.start();
    const again = await prepare(writersOf(all), 2);
    expect(again.commit?.id).toBe(update.commit?.id);
    await writeAll(all, again);
    expect(head(c)).toBe(update.commit?.id);
  });

  it('find out when somebody pushed in between, and the next run builds on that', async () => {
    const [scene] = await scenes('a');
    if (scene === undefined) throw new Error('no server');
    const update = await prepare([scene.writer], 1);
    const meanwhile = commitFiles(scene.server.repository(), 'main', { x: 'y\n' }, 'Meanwhile');
    const error = await errorOf(() => scene.writer.writeIndex(update, {}));
    expect(error.code).toBe('DIVERGED');
    expect(error.message).toContain(meanwhile);
    expect(error.hint).toContain('run the command again if somebody has just pushed');
    const next = await prepare([scene.writer], 1);
    await scene.writer.writeIndex(next, {});
    expect(show(scene, '%P')).toBe(meanwhile);
  });

  it('are content with a branch that went on and left the index as it is', async () => {
    const [scene] = await scenes('a');
    if (scene === undefined) throw new Error('no server');
    const update = await prepare([scene.writer], 1);
    await scene.writer.writeIndex(update, {});
    const beyond = commitFiles(scene.server.repository(), 'main', { x: 'y\n' }, 'Beyond');
    await scene.writer.writeIndex(update, {});
    expect(head(scene)).toBe(beyond);
    expect((await prepare([scene.writer], 1)).commit?.id).toBe(beyond);
    commitFiles(scene.server.repository(), 'main', { 'releases/manifest.json': 'x\n' }, 'Changed');
    expect((await errorOf(() => scene.writer.writeIndex(update, {}))).code).toBe('DIVERGED');
  });
});

describe('an empty repository', () => {
  const release = { version: '1.0.0', notes: '', prerelease: false, files: [] };

  it('begins with the same commit on every mirror, so that later they fast-forward', async () => {
    const all = await scenes('a', 'b');
    for (const { writer } of all) await writer.ensureRelease(release, {});
    expect(head(all[0] ?? (all[1] as GiteaScene))).toMatch(/^[0-9a-f]{40}$/);
    expect(new Set(all.map(head)).size).toBe(1);
    const update = await prepare(writersOf(all));
    await writeAll(all, update);
    expect(all.map(head)).toEqual([update.commit?.id, update.commit?.id]);
  });

  it('joins the history of the others', async () => {
    const [old, fresh] = await scenes('old', 'fresh');
    if (old === undefined || fresh === undefined) throw new Error('no server');
    const source = commitFiles(
      old.server.repository(),
      'main',
      { 'src/app.ts': 'code\n' },
      'Source',
    );
    await fresh.writer.ensureRelease(release, {});
    const update = await prepare([old.writer, fresh.writer]);
    await writeAll([old, fresh], update);
    expect([head(old), head(fresh)]).toEqual([update.commit?.id, update.commit?.id]);
    expect(show(fresh, '%P')).toBe(source);
  });
});

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
