/** A folder of what runs that somebody made a link: what it leads to is not ours to repair. */
import {
  chmodSync,
  cpSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { digest, runningNode, ui } from '../harness/heal-scene.ts';

/** Path, mode and content of every file below `folder`, one line each. */
function describe(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      const mode = (statSync(path).mode & 0o7777).toString(8);
      return `${path} ${mode} ${readFileSync(path, 'utf8')}`;
    })
    .toSorted();
}

it('is a folder again by the next look, and what the link leads to stays as it is', async () => {
  const { node, folder } = await runningNode();
  const before = digest(node);
  const elsewhere = join(folder, 'elsewhere');
  cpSync(ui(node, 'assets'), elsewhere, { recursive: true });
  chmodSync(join(elsewhere, 'app.js'), 0o600);
  writeFileSync(join(elsewhere, 'app.css'), 'mine');
  const link = (): void => {
    rmSync(ui(node, 'assets'), { recursive: true });
    symlinkSync(elsewhere, ui(node, 'assets'));
  };
  const theirs = describe(elsewhere);
  for (let time = 1; time <= 3; time += 1) {
    link();
    expect((await node.updater(['once'])).code).toBe(0);
    expect(digest(node), `time ${time}`).toBe(before);
  }
  link();
  await node.updater(['once']);
  expect(describe(elsewhere), 'left alone').toStrictEqual(theirs);
  writeFileSync(join(elsewhere, 'icons/upload.svg'), 'of an operator');
  chmodSync(join(elsewhere, 'icons/two words.svg'), 0o640);
  const later = describe(elsewhere);
  const once = await node.updater(['once']);
  expect(describe(elsewhere), once.stderr).toStrictEqual(later);
  expect((await node.updater(['heal'])).code).toBe(0);
  expect(digest(node)).toBe(before);
  expect(describe(elsewhere)).toStrictEqual(later);
});
