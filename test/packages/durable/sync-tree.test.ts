import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestTree } from '@landfall/archive';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CrashDisk, type FileSystem, imageFolder } from '../../harness/crash-disk.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

/** A program that syncs a tree, which may be told as one that is being made, and prints what became of it. */
const SCRIPT = `
import * as durable from '${join(import.meta.dirname, '../../../packages/durable/index.ts')}';
const [, tree, written] = process.argv;
const sync = written === "" ? undefined : new durable.TreeSync(tree);
try { sync?.wrote(Number(written)); await (sync?.finish() ?? durable.syncTree(tree)); console.log('synced'); }
catch (error) { console.log(error.code + ': ' + error.message); }`;

/** What it printed, and its calls that sync, each with the path of what it syncs. `prepare` runs in a shell before it. */
function sync(tree: string, { prepare = ':', inject = '', written = '' } = {}): string[] {
  const log = join(temporaryFolder(), 'trace');
  const strace = ['-fyqq', '-e', 'trace=fsync,syncfs', '-e', 'signal=none', '-o', log];
  const injected = inject === '' ? [] : ['-e', `inject=${inject}`];
  const node = [process.execPath, '--input-type=module', '-e', SCRIPT, '--', tree, written];
  const command = ['strace', ...strace, ...injected, ...node];
  // In a mount namespace of its own: what is put over a program is nobody else's.
  const words = ['-m', 'sh', '-c', `${prepare} && exec "$@"`, 'sh', ...command];
  const said = execFileSync('unshare', words, { encoding: 'utf8' }).trim();
  const calls = readFileSync(log, 'utf8').matchAll(/(\w+)\(\d+<(.*?)>\)/g);
  return [said, ...Array.from(calls, ([, call, path]) => `${call} ${path}`.replace(tree, 'T'))];
}

/** A folder with a folder with `count` files. */
function treeBelow(folder: string, count = MANY): string {
  const tree = join(folder, 'tree');
  mkdirSync(join(tree, 'a'), { recursive: true });
  for (let n = 0; n < count; n += 1) writeFileSync(join(tree, `a/${n}`), `${n} `.repeat(2000));
  return tree;
}

const MIB = 1024 * 1024;
/** More than are synced by themselves. */
const MANY = 120;
const each = (count = MANY): string[] => [
  ...Array.from({ length: count }, (_, n) => `fsync T/a/${n}`).toSorted(),
  'fsync T/a',
  'fsync T',
];

/** A file system of its own, until the running test ends. */
function newDisk(kind: FileSystem): CrashDisk {
  const disk = new CrashDisk(join(temporaryFolder(), 'disk'), imageFolder(), kind);
  disk.format();
  return disk;
}
const treeOnExt4 = (): string => treeBelow(newDisk('ext4').mount);

/** Files of a folder come in the order of the disk. */
const inOrder = ([said = '', ...calls]: string[]): string[] => [
  said,
  ...calls.slice(0, -2).toSorted(),
  ...calls.slice(-2),
];

/** A script in the place of `sync`. */
function put(script: string): { prepare: string } {
  const program = join(temporaryFolder(), 'sync');
  writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { prepare: `mount --bind ${program} $(readlink -f /usr/bin/sync)` };
}

describe('syncTree', () => {
  it('syncs the file system once, and a few files one by one', () => {
    const tree = treeOnExt4();
    expect(sync(tree)).toStrictEqual(['synced', 'syncfs T']);
    for (let n = 5; n < MANY; n += 1) rmSync(join(tree, `a/${n}`));
    expect(inOrder(sync(tree))).toStrictEqual(['synced', ...each(5)]);
  });

  it('starts no program for a few files', () => {
    const tree = treeBelow(temporaryFolder(), 5);
    const started = join(temporaryFolder(), 'started');
    sync(tree, put(`touch ${started}`));
    expect(existsSync(started)).toBe(false);
  });

  it.each<FileSystem>(['ext4', 'xfs'])('brings a tree through a power cut (%s)', async (kind) => {
    const disk = newDisk(kind);
    const tree = treeBelow(disk.mount);
    const before = digestTree(tree);
    expect(sync(tree)).toStrictEqual(['synced', 'syncfs T']);
    writeFileSync(join(disk.mount, 'later'), 'not synced');
    disk.shutDown(2);
    await disk.reboot();
    expect(digestTree(tree)).toStrictEqual(before);
    expect(existsSync(join(disk.mount, 'later'))).toBe(false);
  });

  it('says what failed, and tries no other way after that', () => {
    const tree = treeOnExt4();
    expect(sync(tree, { inject: 'syncfs:error=EIO' })).toStrictEqual([
      `WRITE_FAILED: cannot sync '${tree}': '/usr/bin/sync' ended with 1: /usr/bin/sync: error syncing '${tree}': Input/output error`,
      'syncfs T',
    ]);
  });

  it('begins while a large tree is made, says what failed then, and syncs all of it at the end', () => {
    const tree = treeOnExt4();
    const [little, much] = [{ written: `${MIB}` }, { written: `${100 * MIB}` }];
    expect(sync(tree, little)).toStrictEqual(['synced', 'syncfs T']);
    expect(sync(tree, much)).toStrictEqual(['synced', 'syncfs T', 'syncfs T']);
    const failed = sync(tree, { ...much, inject: 'syncfs:error=EIO' });
    expect(failed).toStrictEqual([expect.stringContaining('WRITE_FAILED'), 'syncfs T']);
  });

  it("syncs each file and folder where 'sync' is not GNU's, and not when it ends badly", () => {
    const tree = treeOnExt4();
    expect(inOrder(sync(tree, put('echo sync 1.0')))).toStrictEqual(['synced', ...each()]);
    const killed = "[ $1 = --version ] && echo '(GNU coreutils)' || kill -9 $$";
    expect(sync(tree, put(killed))).toStrictEqual([
      `WRITE_FAILED: cannot sync '${tree}': '/usr/bin/sync' ended with SIGKILL`,
    ]);
  });
});

describe('syncTree elsewhere', () => {
  it('syncs each file and folder, and stops at the first that fails', () => {
    const disk = join(temporaryFolder(), 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'landfall-test', disk]);
    onTestFinished(() => void execFileSync('umount', [disk]));
    const tree = treeBelow(disk);
    expect(inOrder(sync(tree))).toStrictEqual(['synced', ...each()]);
    const failed = sync(tree, { inject: 'fsync:error=EIO:when=2' });
    expect(failed[0]).toMatch(/^WRITE_FAILED: cannot sync '.*': the disk answered/);
    expect(failed).toHaveLength(3);
  });
});
