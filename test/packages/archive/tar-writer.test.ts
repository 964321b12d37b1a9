/** Headers as they are written, where an archive of sane size does not reach. */
import { describe, expect, it } from 'vitest';
import { TarReader, type TarEntry } from '../../../packages/archive/tar-reader.ts';
import { tarHeader } from '../../../packages/archive/tar-writer.ts';

const fields = { type: 'file' as const, mode: 0o644, size: 0, mtime: 1_776_884_400 };

/** What our reader makes of the header of one entry. */
function readBack(entry: Parameters<typeof tarHeader>[0]): TarEntry {
  const found: TarEntry[] = [];
  const reader = new TarReader('header', {
    entry: (each) => void found.push(each),
    content: () => undefined,
    endOfEntry: () => undefined,
  });
  reader.push(tarHeader(entry));
  const [only] = found;
  if (only === undefined || found.length > 1)
    throw new Error(`expected one entry, found ${found.length}`);
  return only;
}

describe('a header', () => {
  it('is one block where ustar can hold it, also at its very limits', () => {
    const paths = [
      'a',
      'n'.repeat(98),
      `${'p'.repeat(153)}/${'n'.repeat(100)}`,
      `${'p'.repeat(60)}/${'q'.repeat(60)}/x`,
    ];
    for (const path of paths) {
      expect(tarHeader({ ...fields, path })).toHaveLength(512);
      expect(readBack({ ...fields, path }).name).toBe(`./${path}`);
    }
  });

  it('has a pax header where ustar cannot hold the path', () => {
    const paths = [
      'n'.repeat(101),
      `${'p'.repeat(154)}/${'n'.repeat(100)}`,
      `${'p'.repeat(10)}/${'n'.repeat(101)}`,
      '\u{1F600}'.repeat(30),
    ];
    for (const path of paths) {
      expect(tarHeader({ ...fields, path })).toHaveLength(1536);
      expect(readBack({ ...fields, path }).name).toBe(`./${path}`);
    }
  });

  it('never leaves an empty name for a directory', () => {
    const path = `${'p'.repeat(120)}/${'d'.repeat(99)}`;
    expect(readBack({ ...fields, path, type: 'directory', mode: 0o755 }).name).toBe(`./${path}/`);
    const odd = 'd'.repeat(100);
    expect(readBack({ ...fields, path: odd, type: 'directory', mode: 0o755 }).name).toBe(
      `./${odd}/`,
    );
  });

  it('has a pax header from 8 GiB on', () => {
    const limit = 8 * 1024 ** 3;
    expect(tarHeader({ ...fields, path: 'a', size: limit - 1 })).toHaveLength(512);
    expect(readBack({ ...fields, path: 'a', size: limit - 1 }).size).toBe(limit - 1);
    expect(tarHeader({ ...fields, path: 'a', size: limit }).toString('latin1', 512)).toMatch(
      /^19 size=8589934592\n\0/,
    );
    expect(readBack({ ...fields, path: 'a', size: limit }).size).toBe(limit);
  });
});
