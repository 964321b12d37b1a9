import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { versionOf } from '../../release/version.ts';
import { errorOf } from '../harness/errors.ts';
import { temporaryFolder } from '../harness/temporary.ts';

function folderWith(packageJson: string | undefined): string {
  const folder = temporaryFolder();
  if (packageJson !== undefined) writeFileSync(join(folder, 'package.json'), packageJson);
  return folder;
}

describe('the version', () => {
  it('is the one given', () => {
    expect(versionOf('1.7.41-alpha', folderWith(undefined))).toBe('1.7.41-alpha');
  });

  it("is package.json's unless given", () => {
    expect(versionOf(undefined, folderWith('{"version":"1.2.3"}'))).toBe('1.2.3');
  });

  it.each([
    ['v1.2.3', "leave out the 'v': 1.2.3"],
    ['1.2', 'three numbers'],
    ['1.2.3+build5', 'no build metadata'],
    ['latest', 'three numbers'],
    ['', 'three numbers'],
    ['1.2.3\nx', 'three numbers'],
    ['../../etc', 'three numbers'],
  ])('%j is refused', async (given, hint) => {
    const error = await errorOf(() => versionOf(given, folderWith(undefined)));
    expect(error).toMatchObject({ code: 'VERSION_INVALID', exit: 2 });
    expect(error.hint).toContain(hint);
  });

  it.each([
    [undefined, 'there is no package.json'],
    ['{', 'package.json is not JSON'],
    ['{}', "package.json has no 'version'"],
    ['{"version": 1}', "package.json has no 'version'"],
  ])('is asked for when package.json is %j', async (packageJson, why) => {
    const error = await errorOf(() => versionOf(undefined, folderWith(packageJson)));
    expect(error).toMatchObject({ code: 'VERSION_INVALID', exit: 2 });
    expect(error.message).toContain(why);
  });
});
