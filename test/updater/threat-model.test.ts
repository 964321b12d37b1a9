/** The page on threats names a test for each rule: they are there, under these names. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const HERE = new URL('../../', import.meta.url);
/** What a row means that names no file of its own, or "the same". */
const USUAL = {
  'What a mirror may try': 'test/updater/hostile-mirror.test.ts',
  'Stolen keys': 'test/updater/hostile-keys.test.ts',
};
/** The attacks of the specification this was built from, in its words. */
const ATTACKS = [
  ...['arbitrary installation', 'endless data', 'slow retrieval', 'connection stall'],
  ...['fast-forward', 'indefinite freeze', 'malicious mirror with a veto', 'mix-and-match'],
  ...['rollback (old manifest)', 'rollback (old root)', 'same sequence with other bytes'],
  ...['wrong app', 'wrong channel', 'wrong platform', 'key compromise and recovery'],
  ...['one key signing twice for a threshold of two', 'legacy signature relabelled'],
  ...['carriage return in a trusted comment', 'redirect to another origin', 'corrupt resume'],
  'every single byte of manifest, signature and archive flipped',
  'swap between verification and use',
];

const page = readFileSync(new URL('docs/threat-model.md', HERE), 'utf8');

/** Every test that the page names: its file, and its title if it tells one. */
function namedTests(): { file: string; title: string | undefined }[] {
  return page.split(/^## /m).flatMap((section) => {
    const heading = section.split('\n')[0] ?? '';
    const usual = Object.entries(USUAL).find(([each]) => each === heading)?.[1];
    let before = usual;
    return section
      .split('\n')
      .filter((line) => line.startsWith('| ') && line.includes('`'))
      .flatMap((row) =>
        // The last column: pairs of titles and files, told apart by semicolons.
        (row.split(' | ').at(-1) ?? '').split(';').flatMap((part) => {
          const words = [...part.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
          const file = words.find((word) => word.startsWith('test/'));
          const title = words.find((word) => !word.startsWith('test/'))?.replace(/ …$/, '');
          const meant = file ?? (/same file/.test(part) ? before : usual);
          if (file !== undefined) before = file;
          return meant === undefined || words.length === 0 ? [] : [{ file: meant, title }];
        }),
      );
  });
}

it('every test that it names is there', () => {
  const named = namedTests();
  expect(named.length).toBeGreaterThan(40);
  for (const { file, title } of named) {
    const path = new URL(file, HERE);
    const isThere = readFileSync(path, 'utf8').includes(title ?? '');
    expect([file, title, isThere]).toEqual([file, title, true]);
  }
});

it('every attack has its row', () => {
  for (const attack of ATTACKS) expect(page).toContain(attack);
});
