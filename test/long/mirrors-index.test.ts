/** The index as one commit on all git mirrors: newest head, fast-forward, divergence. */
import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serializeHalt } from '@landfall/manifest';
import { openWritableMirrors } from '@landfall/mirrors';
import { describe, expect, it, onTestFinished } from 'vitest';
import { digestOf, HEAD_PATH, parseHead } from '../../mirrors/head.ts';
import { START_COMMIT } from '../../mirrors/index-commit.ts';
import { errorOf } from '../harness/errors.ts';
import { commitFiles, runGit } from '../harness/gitea-stand-in/state.ts';
import { exampleHalt } from '../harness/halts.ts';
import {
  copyHistory,
  fileAt,
  filesOf,
  head,
  prepare,
  scenes,
  show,
  writeAll,
  writersOf,
} from '../harness/index-scene.ts';
import { mirrorFolder } from '../harness/mirror-folder.ts';
import { temporaryFolder } from '../harness/temporary.ts';

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

  it('has a head of all that it holds; a wrong one makes another commit, a missing one does not', async () => {
    const [scene] = await scenes('a');
    if (scene === undefined) throw new Error('no server');
    const repository = scene.server.repository();
    const texts = [...filesOf(1)].map(([path, bytes]) => [path, Buffer.from(bytes).toString()]);
    const before = commitFiles(repository, 'main', Object.fromEntries(texts), 'By hand');
    expect((await prepare([scene.writer])).commit?.id).toBe(before);
    const halt = { 'releases/beta/halt.json': '{}\n', [HEAD_PATH]: '{}\n' };
    const wrong = commitFiles(repository, 'main', halt, 'By hand');
    await scene.writer.writeIndex(await prepare([scene.writer]), {});
    expect(show(scene, '%P')).toBe(wrong);
    const told = parseHead(Buffer.from(fileAt(scene, HEAD_PATH)));
    const right = [...filesOf(1), ['releases/beta/halt.json', Buffer.from('{}\n')] as const];
    const covered = right.filter(([path]) => path.endsWith('.json'));
    expect(told).toEqual(new Map(covered.map(([path, bytes]) => [path, digestOf(bytes)])));
    expect((await prepare([scene.writer])).commit?.id).toBe(head(scene));
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

  it.each([
    ['nothing', undefined],
    ['a lower serial', 2],
  ])('do not follow one that has %s in the place of what is halted', async (_, serial) => {
    const all = await scenes('a', 'b');
    const [a, b] = all;
    if (a === undefined || b === undefined) throw new Error('no server');
    const path = 'releases/beta/halt.json';
    const halt = (number: number): string =>
      Buffer.from(serializeHalt(exampleHalt({ serial: number }))).toString();
    commitFiles(a.server.repository(), 'main', { [path]: halt(3) }, 'Halt');
    copyHistory(a, b);
    const before = head(a);
    const { git: bare } = b.server.repository();
    const tree = runGit(bare, ['hash-object', '-w', '-t', 'tree', '--stdin']);
    const lost = runGit(bare, ['commit-tree', tree, '-p', head(b) ?? '', '-m', 'Lost']);
    runGit(bare, ['update-ref', 'refs/heads/main', lost]);
    if (serial !== undefined) {
      commitFiles(b.server.repository(), 'main', { [path]: halt(serial) }, 'Lower');
    }
    const update = await prepare(writersOf(all));
    const error = await errorOf(() => a.writer.writeIndex(update, {}));
    expect([error.code, head(a)]).toEqual(['REJECTED', before]);
    expect(error.message).toContain(`expected serial 3 or more in '${path}'`);
    // A higher one takes its place.
    commitFiles(b.server.repository(), 'main', { [path]: halt(4) }, 'Higher');
    await writeAll(all, await prepare(writersOf(all), 2));
    expect(head(a)).toBe(head(b));
  });

  it.each([
    ['a file that is no part of an index', { '.gitea/workflows/x.yml': 'on: push\n' }],
    ['a folder that only begins like one', { 'releases.d/x': 'x' }],
    ['the loss of a file of the index', { 'releases/beta/manifest.json': undefined }],
  ])('carry nothing along that one mirror alone has: %s', async (_, extra) => {
    const all = await scenes('a', 'b', 'c');
    const [a, b, c] = all;
    if (a === undefined || b === undefined || c === undefined) throw new Error('no server');
    commitFiles(a.server.repository(), 'main', { 'releases/beta/manifest.json': '{}' }, 'Beta');
    for (const each of [b, c]) copyHistory(a, each);
    const { git: bare } = b.server.repository();
    const before = head(b) ?? '';
    const [[path, content]] = Object.entries(extra) as [[string, string | undefined]];
    const index = { env: { GIT_INDEX_FILE: join(temporaryFolder(), 'index') } };
    runGit(bare, ['read-tree', before], index);
    if (content === undefined) runGit(bare, ['rm', '--cached', '-q', path], index);
    else {
      const blob = join(temporaryFolder(), 'blob');
      writeFileSync(blob, content);
      const id = runGit(bare, ['hash-object', '-w', blob]);
      runGit(bare, ['update-index', '--add', '--cacheinfo', `100644,${id},${path}`], index);
    }
    const tree = runGit(bare, ['write-tree'], index);
    const own = runGit(bare, ['commit-tree', tree, '-p', before, '-m', 'Mine']);
    runGit(bare, ['update-ref', 'refs/heads/main', own]);
    const update = await prepare(writersOf(all));
    await writeAll([a, c], update);
    expect(show(a, '%P')).toBe(before);
    expect(head(c)).toBe(head(a));
    expect(await errorOf(() => b.writer.writeIndex(update, {}))).toMatchObject({
      code: 'DIVERGED',
    });
    expect(head(b)).toBe(own);
  });

  it('carry along what more than one mirror has, past one that lags', async () => {
    const all = await scenes('a', 'b', 'c');
    const [a, b, c] = all;
    if (a === undefined || b === undefined || c === undefined) throw new Error('no server');
    await writeAll(all, await prepare(writersOf(all), 1));
    const ours = commitFiles(a.server.repository(), 'main', { 'README.md': 'one\n' }, 'Ours');
    copyHistory(a, b);
    await writeAll(all, await prepare(writersOf(all), 2));
    expect(all.map(head)).toEqual([head(a), head(a), head(a)]);
    expect(show(c, '%P')).toBe(ours);
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
    expect(all.map(head)).toEqual([START_COMMIT, START_COMMIT]);
    const update = await prepare(writersOf(all));
    await writeAll(all, update);
    expect(all.map(head)).toEqual([update.commit?.id, update.commit?.id]);
  });

  it('takes what the one mirror before it has beside its index', async () => {
    const [old, fresh] = await scenes('old', 'fresh');
    if (old === undefined || fresh === undefined) throw new Error('no server');
    for (const { writer } of [old, fresh]) await writer.ensureRelease(release, {});
    const beside = commitFiles(old.server.repository(), 'main', { 'README.md': 'one\n' }, 'Beside');
    await writeAll([old, fresh], await prepare(writersOf([old, fresh])));
    expect(show(fresh, '%P')).toBe(beside);
    expect(head(fresh)).toBe(head(old));
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
