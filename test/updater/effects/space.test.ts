/** Room for an update on file systems that are really too small, each made for the test. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Selected } from '@landfall/manifest';
import { expect, it, onTestFinished } from 'vitest';
import { checkRoomToSwitch, checkSpace } from '../../../updater/effects/space.ts';
import type { Paths } from '../../../updater/paths.ts';
import { pathsOf } from '../../../updater/paths.ts';
import { errorOf } from '../../harness/errors.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

const MIB = 1024 * 1024;

/** Root and state, each on a tmpfs of its own. */
function onSmallDisks(rootOptions: string, stateOptions: string): Paths {
  const folder = temporaryFolder();
  const mount = (name: string, options: string): string => {
    const path = join(folder, name);
    mkdirSync(path);
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]);
    onTestFinished(() => void execFileSync('umount', [path]));
    return path;
  };
  return pathsOf(mount('root', rootOptions), mount('state', stateOptions));
}

function tree(downloaded: number, unpacked: number, entries: number): Selected {
  return {
    name: 'web-ui',
    kind: 'tree',
    artifact: {
      platform: 'any',
      file: 'web-ui.tar.zst',
      size: downloaded,
      sha256: '0'.repeat(64),
      tree: { digest: '0'.repeat(64), size: unpacked, entries },
      deltas: [],
    },
  };
}

it('is asked of each file system for what goes there', async () => {
  const paths = onSmallDisks('size=40m,nr_inodes=500', 'size=24m,nr_inodes=80');
  expect(() => checkSpace(paths, [tree(4 * MIB, 16 * MIB, 100)])).not.toThrow();
  const messageFor = async (...selected: Selected[]): Promise<string> => {
    const error = await errorOf(() => checkSpace(paths, selected));
    expect(error).toMatchObject({ code: 'NO_SPACE', exit: 1 });
    return error.message.replace(/.*landfall-test-\w+/, '');
  };
  expect(await messageFor(tree(MIB, 30 * MIB, 100))).toMatch(
    /^\/root': expected 46 MiB free, found 40/,
  );
  expect(await messageFor(tree(MIB, MIB, 450))).toMatch(/^\/root': expected 515 free, found 49\d$/);
  expect(await messageFor(tree(9 * MIB, MIB, 10))).toMatch(/^\/state': expected 25 MiB free/);
  const many = Array.from({ length: 20 }, () => tree(1, 1, 1));
  expect(await messageFor(...many)).toMatch(/^\/state': expected 84 free, found 7\d$/);
  writeFileSync(join(paths.state, 'filler'), Buffer.alloc(9 * MIB));
  expect(await messageFor(tree(1, 1, 1))).toMatch(/^\/state': expected 16 MiB free, found 15/);
  const staged = await errorOf(() => checkRoomToSwitch(paths));
  expect(staged.message, 'a release on the disk needs a marker all the same').toContain('/state');
});

it('is none on a file system that takes no writes', async () => {
  const paths = onSmallDisks('size=40m,ro', 'size=40m');
  for (const check of [() => checkSpace(paths, [tree(1, 1, 1)]), () => checkRoomToSwitch(paths)]) {
    const error = await errorOf(check);
    expect(error.message).toMatch(/root' cannot be written to: .*read-only/);
    expect(error.hint).toContain('findmnt');
  }
});
