import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { execFile, execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import {
  copyFileDurably,
  createFileDurably,
  isBeingWritten,
  makeDirectoryDurably,
  removeDurably,
  removeAllTemporaries,
  renameDurably,
  replaceSymlinkDurably,
  syncTree,
  writeFileDurably,
} from '@landfall/durable';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

describe('createFileDurably', () => {
  it('creates the file with the mode asked for, whatever the umask, and nothing beside it', () => {
    const path = join(temporaryFolder(), 'a.key');
    writeFileSync(join(dirname(path), '.a.key.tmp-1'), 'half');
    const before = process.umask(0o077);
    try {
      expect(createFileDurably(path, 'new', 0o644)).toBe(true);
    } finally {
      process.umask(before);
    }
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(statSync(path)).toMatchObject({ mode: 0o100644, nlink: 1 });
    expect(readdirSync(dirname(path))).toEqual(['a.key']);
  });

  it.each(['a file', 'a link to nothing', 'a folder'])('takes the place of nothing: %s', (what) => {
    const path = join(temporaryFolder(), 'a.key');
    if (what === 'a file') writeFileSync(path, 'old');
    else if (what === 'a folder') mkdirSync(path);
    else symlinkSync('nothing', path);
    const before = lstatSync(path);
    expect(createFileDurably(path, 'new', 0o600)).toBe(false);
    expect(lstatSync(path)).toMatchObject({ ino: before.ino, size: before.size });
    expect(readdirSync(dirname(path))).toEqual(['a.key']);
  });

  it('leaves nothing under the name when the disk is full', async () => {
    const folder = temporaryFolder();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
    try {
      const path = join(folder, 'a.key');
      const error = await errorOf(() => createFileDurably(path, 'x'.repeat(100_000), 0o600));
      expect(error).toMatchObject({
        code: 'WRITE_FAILED',
        message: `cannot write '${path}': no space left on the device`,
      });
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      execFileSync('umount', [folder]);
    }
  });
});

describe('writeFileDurably', () => {
  it('writes the content with the mode asked for, whatever the umask', () => {
    const path = join(temporaryFolder(), 'a.json');
    const before = process.umask(0o077);
    try {
      writeFileDurably(path, 'new', { mode: 0o644 });
    } finally {
      process.umask(before);
    }
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(statSync(path).mode & 0o777).toBe(0o644);
  });

  it('replaces the file and clears what a dead writer left', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'a.json'), 'old');
    writeFileSync(join(folder, '.a.json.tmp-1'), 'half');
    writeFileSync(join(folder, '.b.json.tmp-1'), 'of somebody else');
    writeFileDurably(join(folder, 'a.json'), 'new');
    expect(readdirSync(folder).toSorted()).toEqual(['.b.json.tmp-1', 'a.json']);
    expect(readFileSync(join(folder, 'a.json'), 'utf8')).toBe('new');
  });

  it.each(['x'.repeat(255), `${'é'.repeat(127)}x`])('writes a file of the longest name', (name) => {
    const folder = temporaryFolder();
    const path = join(folder, name);
    const start = Buffer.from(name).toString('utf8', 0, 242);
    writeFileSync(join(folder, `.${start}.tmp-1`), 'half');
    expect(createFileDurably(path, 'new', 0o644)).toBe(true);
    expect(readdirSync(folder)).toEqual([name]);
    writeFileDurably(path, 'newer');
    expect(copyFileDurably(path, path, { mode: 0o755 })).toMatchObject({ size: 5 });
    replaceSymlinkDurably(path, 'nowhere');
    expect(readlinkSync(path)).toBe('nowhere');
    expect(readdirSync(folder)).toEqual([name]);
  });

  it('asks once more before the name, as long as others can see that it is being written', () => {
    const path = join(temporaryFolder(), 'a.json');
    writeFileDurably(path, 'old');
    const seen: unknown[] = [];
    const unless = (answer: boolean) => () => {
      seen.push(isBeingWritten(path, process.pid), readFileSync(path, 'utf8'));
      return answer;
    };
    expect(writeFileDurably(path, 'new', { unless: unless(true) })).toBe(false);
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(dirname(path))).toEqual(['a.json']);
    expect(writeFileDurably(path, 'new', { unless: unless(false) })).toBe(true);
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(seen).toEqual([true, 'old', true, 'old']);
    expect(isBeingWritten(path, process.pid)).toBe(false);
  });

  it('writes over a link instead of through it', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'target'), 'untouched');
    symlinkSync('target', join(folder, 'link'));
    writeFileDurably(join(folder, 'link'), 'new');
    expect(readFileSync(join(folder, 'target'), 'utf8')).toBe('untouched');
    expect(lstatSync(join(folder, 'link')).isFile()).toBe(true);
  });

  it('names the path and what to do when the folder is missing', async () => {
    const error = await errorOf(() => writeFileDurably('/nonexistent/a.json', 'x'));
    expect(error.code).toBe('WRITE_FAILED');
    expect(error.message).toBe("cannot write '/nonexistent/a.json': no such file or directory");
    expect(error.hint).toBe('check the path');
  });

  it('leaves the old file and no leftover when the disk is full', async () => {
    if (process.getuid?.() !== 0) throw new Error('needs root to mount a small file system');
    const folder = temporaryFolder();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
    try {
      writeFileDurably(join(folder, 'a.json'), 'old');
      const error = await errorOf(() =>
        writeFileDurably(join(folder, 'a.json'), Buffer.alloc(200_000)),
      );
      expect(error.message).toContain('no space left on the device');
      expect(readdirSync(folder)).toEqual(['a.json']);
      expect(readFileSync(join(folder, 'a.json'), 'utf8')).toBe('old');
    } finally {
      execFileSync('umount', [folder]);
    }
  });
});

/** The calls on `folder` that change or sync it, in order, as `<call> <name>`. */
function trace(script: string, inject: readonly string[] = []): string[] {
  const folder = temporaryFolder();
  const log = join(temporaryFolder(), 'trace');
  const module = JSON.stringify(join(import.meta.dirname, '../../../packages/durable/index.ts'));
  execFileSync('strace', [
    '-fy',
    '-e',
    'trace=fsync,rename,write,symlink,link,fchmod,mkdir,chmod,unlink',
    ...inject,
    '-o',
    log,
    process.execPath,
    '--input-type=module',
    '-e',
    `import * as d from ${module}; const folder = ${JSON.stringify(folder)}; ${script}`,
  ]);
  return readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => line.includes(folder))
    .map((line) => line.replaceAll(folder, 'F').replaceAll(/tmp-\d+/g, 'tmp'))
    .map(
      (line) => /(\w+)\(.*?(F(?:\/[.\w]+(?:-tmp|\.tmp)?)?)/.exec(line)?.slice(1).join(' ') ?? line,
    );
}

describe('the order of system calls', () => {
  it('writes, syncs, renames, and syncs the folder', () => {
    expect(trace(`d.writeFileDurably(folder + '/x', 'content')`)).toEqual([
      'write F/.x.tmp',
      'fchmod F/.x.tmp',
      'fsync F/.x.tmp',
      'rename F/.x.tmp',
      'fsync F',
    ]);
  });

  it('waits for nothing where what is written may be lost', () => {
    expect(trace(`d.writeFileLoosely(folder + '/x', 'content')`)).toEqual([
      'write F/.x.tmp',
      'fchmod F/.x.tmp',
      'rename F/.x.tmp',
    ]);
  });

  it('syncs a journal with the line that counts, and what was to wait with it', () => {
    const journal = `const journal = new d.Journal(folder + '/j', { maxBytes: 40 });`;
    const append = (sync: boolean): string =>
      `journal.append({ text: 'line' }, { sync: ${sync} });`;
    const [write, sync] = ['write F/j', 'fsync F/j'];
    const begun = [write, sync, 'fsync F'];
    expect(trace(`${journal} ${append(false)}`), 'a new file gets its name').toEqual(begun);
    const script = `${journal} ${append(true)} ${append(false)} journal.flush(); journal.flush();`;
    expect(trace(script)).toEqual([...begun, write, sync]);
    const turned = `${journal} ${append(true)} ${append(false)} ${append(false)} ${append(false)}`;
    // Before it is put aside it is synced: nothing else would do it.
    expect(trace(turned)).toEqual([...begun, write, write, sync, 'rename F/j', ...begun]);
  });

  it('never tries a failed fsync again, and gives the file no name', () => {
    const script = `try { d.writeFileDurably(folder + '/x', 'content') } catch {}`;
    expect(trace(script, ['-e', 'inject=fsync:error=EIO:when=1'])).toEqual([
      'write F/.x.tmp',
      'fchmod F/.x.tmp',
      'fsync F/.x.tmp',
      'unlink F/.x.tmp',
    ]);
  });

  it('gives a new file its name once it is synced, also where no file has two', () => {
    const script = `d.createFileDurably(folder + '/x', 'content', 0o600)`;
    const written = ['write F/.x.tmp', 'fchmod F/.x.tmp', 'fsync F/.x.tmp', 'link F/.x.tmp'];
    expect(trace(script)).toEqual([...written, 'unlink F/.x.tmp', 'fsync F']);
    expect(trace(script, ['-e', 'inject=link:error=EPERM'])).toEqual([
      ...written,
      'rename F/.x.tmp',
      'unlink F/.x.tmp',
      'fsync F',
    ]);
  });

  it('makes a folder with its mode in one call, since a crash after it would keep another', () => {
    const script = `process.umask(0o077); d.makeDirectoryDurably(folder + '/x', 0o755)`;
    expect(trace(script)).toEqual(['mkdir F/x', 'fsync F']);
  });

  it('switches a link by one rename and syncs the folder', () => {
    expect(trace(`d.replaceSymlinkDurably(folder + '/x', 'somewhere')`)).toEqual([
      'symlink F/.x.tmp',
      'rename F/.x.tmp',
      'fsync F',
    ]);
  });
});

describe('removeAllTemporaries', () => {
  it('removes what writers that died left, and nothing else', () => {
    const folder = temporaryFolder();
    for (const name of ['.x.json.tmp-12', '.current.tmp-7', 'x.json', '.hidden', 'a.tmp-1']) {
      writeFileSync(join(folder, name), '');
    }
    removeAllTemporaries(folder, 'x.json');
    expect(readdirSync(folder)).toContain('.x.json.tmp-12');
    removeAllTemporaries(folder);
    expect(readdirSync(folder).toSorted()).toEqual(['.hidden', 'a.tmp-1', 'x.json']);
  });
});

describe('links, folders, names', () => {
  it('replaces a link, also a dangling one', () => {
    const folder = temporaryFolder();
    const link = join(folder, 'current');
    symlinkSync('gone', link);
    replaceSymlinkDurably(link, 'deployments/a');
    expect(readlinkSync(link)).toBe('deployments/a');
    expect(readdirSync(folder)).toEqual(['current']);
  });

  it('does not replace a folder by a link', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'current'));
    const error = await errorOf(() => replaceSymlinkDurably(join(folder, 'current'), 'x'));
    expect(error.code).toBe('WRITE_FAILED');
    expect(readdirSync(folder)).toEqual(['current']);
  });

  it('makes folders with their mode and leaves existing ones', () => {
    const folder = temporaryFolder();
    chmodSync(folder, 0o700);
    const before = process.umask(0o077);
    try {
      makeDirectoryDurably(join(folder, 'a/b'));
    } finally {
      process.umask(before);
    }
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o755);
    expect(statSync(join(folder, 'a/b')).mode & 0o777).toBe(0o755);
  });

  it('makes folders that another process makes at the same time', async () => {
    const folder = temporaryFolder();
    const durable = JSON.stringify(join(import.meta.dirname, '../../../packages/durable/index.ts'));
    const script = `import { existsSync, writeFileSync } from 'node:fs';
      import { makeDirectoryDurably } from ${durable};
      const [folder, name] = process.argv.slice(1);
      writeFileSync(folder + '/' + name, '');
      while (!existsSync(folder + '/a') || !existsSync(folder + '/b'));
      for (let each = 0; each < 100; each += 1) makeDirectoryDurably(folder + '/made/' + each + '/x');`;
    const args = ['--input-type=module', '-e', script, folder];
    const run = promisify(execFile);
    await Promise.all(['a', 'b'].map((name) => run(process.execPath, [...args, name])));
    expect(readdirSync(join(folder, 'made'))).toHaveLength(100);
  });

  it('refuses to take a file for a folder', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'a'), '');
    expect((await errorOf(() => makeDirectoryDurably(join(folder, 'a')))).code).toBe(
      'WRITE_FAILED',
    );
  });

  it('renames, removes, and removes nothing twice without complaint', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'from'));
    writeFileSync(join(folder, 'from/f'), '1');
    await syncTree(folder);
    renameDurably(join(folder, 'from'), join(folder, 'to'));
    removeDurably(join(folder, 'to/f'));
    removeDurably(join(folder, 'to/f'));
    expect(readdirSync(join(folder, 'to'))).toEqual([]);
  });
});
