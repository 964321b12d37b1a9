/** What is read from a commit is what was committed, to the byte. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fileOf } from '../../mirrors/git.ts';
import { git } from '../harness/git.ts';
import { temporaryFolder } from '../harness/temporary.ts';

it('gives the bytes of a file, whatever they are, up to a bound', async () => {
  const folder = temporaryFolder();
  const bytes = Buffer.concat([Buffer.from([0xff, 0xfe, 0x0a]), randomBytes(997)]);
  git(folder, 'init', '--quiet');
  writeFileSync(join(folder, 'file'), bytes);
  git(folder, 'add', '.');
  git(folder, 'commit', '--quiet', '-m', 'one');
  const repository = join(folder, '.git');
  expect(Buffer.from((await fileOf(repository, 'HEAD', 'file', 1000)) ?? [])).toEqual(bytes);
  expect(await fileOf(repository, 'HEAD', 'file', 999)).toBeUndefined();
  expect(await fileOf(repository, 'HEAD', 'other')).toBeUndefined();
});
