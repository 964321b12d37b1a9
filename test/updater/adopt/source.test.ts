/** What is adopted belongs to the web server's user: nothing of root's gets out by a link that is put there. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSource } from '../../../updater/adopt/source.ts';
import { errorOf } from '../../harness/errors.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

const text = (path: string): string => readFileSync(path, 'utf8');

function site(): { folder: string; ui: string; secrets: string } {
  const folder = temporaryFolder();
  const [ui, secrets] = [join(folder, 'ui'), join(folder, 'secrets')];
  for (const each of [ui, join(ui, 'assets'), secrets]) mkdirSync(each);
  writeFileSync(join(ui, 'assets/app.js'), 'app');
  writeFileSync(join(secrets, 'app.js'), 'key');
  return { folder, ui, secrets };
}

describe('what is adopted', () => {
  it('is read as it stands there, in folders and by itself', () => {
    const { folder, ui } = site();
    const read = readSource({ kind: 'tree', source: ui }, (file) => file('assets/app.js', text));
    expect(read).toBe('app');
    // The way to a single file is what an operator named, as to a program below `current`.
    symlinkSync('ui', join(folder, 'current'));
    for (const way of ['ui', 'current']) {
      const source = join(folder, way, 'assets/app.js');
      expect(readSource({ kind: 'file', source }, (file) => file('.', text))).toBe('app');
    }
  });

  it.each<[string, (at: ReturnType<typeof site>) => void]>([
    [
      'a link in the place of a file',
      ({ ui, secrets }) => {
        rmSync(join(ui, 'assets/app.js'));
        symlinkSync(join(secrets, 'app.js'), join(ui, 'assets/app.js'));
      },
    ],
    [
      'a link in the place of a folder',
      ({ ui, secrets }) => {
        rmSync(join(ui, 'assets'), { recursive: true });
        symlinkSync(secrets, join(ui, 'assets'));
      },
    ],
    [
      'a fifo',
      ({ ui }) => {
        rmSync(join(ui, 'assets/app.js'));
        execFileSync('mkfifo', [join(ui, 'assets/app.js')]);
      },
    ],
  ])('is not read through %s, put there meanwhile', async (_, swap) => {
    const at = site();
    const seen: string[] = [];
    const error = await errorOf(() =>
      readSource({ kind: 'tree', source: at.ui }, (file) => {
        swap(at);
        seen.push(file('assets/app.js', text));
      }),
    );
    expect(error).toMatchObject({ code: 'ADOPTION', exit: 3 });
    expect(error.message).toBe("'assets/app.js' is no plain file any more, or not there");
    expect(seen).toStrictEqual([]);
  });
});
