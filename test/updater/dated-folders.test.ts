/** Names after the time, whatever the clock does. */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nextTimeName, pruneFolders } from '../../updater/dated-folders.ts';
import { temporaryFolder } from '../harness/temporary.ts';

describe('a new folder', () => {
  it('is named after the time', () => {
    const before = Date.now();
    const name = nextTimeName(join(temporaryFolder(), 'not-there'));
    const [day = '', time = ''] = name.split('T');
    const at = Date.parse(`${day}T${time.replaceAll('-', ':')}`);
    expect(at).toBeGreaterThanOrEqual(before);
    expect(at).toBeLessThanOrEqual(Date.now());
  });

  it('comes after all others when the clock has gone back, and is not the one that goes', () => {
    const parent = temporaryFolder();
    const later = Array.from(
      { length: 20 },
      (_, index) => `2999-01-01T00-00-${String(index).padStart(2, '0')}.999Z-1.0.0`,
    );
    for (const name of [...later, 'of-somebody-else']) mkdirSync(join(parent, name));
    const made: string[] = [];
    for (let time = 0; time < 3; time += 1) {
      const name = `${nextTimeName(parent)}-1.1.0`;
      mkdirSync(join(parent, name));
      made.push(name);
    }
    expect(made[0]).toBe('2999-01-01T00-00-20.000Z-1.1.0');
    expect(made.toSorted()).toStrictEqual(made);
    pruneFolders(parent, 5);
    expect(readdirSync(parent).toSorted()).toStrictEqual([
      later.at(-1),
      ...made,
      'of-somebody-else',
    ]);
  });
});
