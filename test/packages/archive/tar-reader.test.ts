/** What the reader of a tar stream bounds by itself, whoever looks at the entries. */
import { expect, it } from 'vitest';
import { MAX_ALL_PATH_BYTES } from '../../../packages/archive/limits.ts';
import { TarReader } from '../../../packages/archive/tar-reader.ts';
import { errorOf } from '../../harness/errors.ts';
import { file, pax } from '../../harness/tar-builder.ts';

it.each(['a', '€'])(
  'takes 16 MiB of paths, in bytes, whatever they are written in: %s',
  async (letter) => {
    const path = letter.repeat(999 / Buffer.byteLength(letter));
    const bytes = Buffer.concat([pax({ path }), file('./a')]);
    let entries = 0;
    const reader = new TarReader('paths', {
      entry: () => (entries += 1),
      content: () => undefined,
      endOfEntry: () => undefined,
    });
    const error = await errorOf(() => {
      for (let index = 0; index < 17_000; index += 1) reader.push(bytes);
    });
    expect(error).toMatchObject({ code: 'ARCHIVE_REFUSED' });
    expect(error.message).toContain('has more than 16777216 bytes of paths');
    expect(entries).toBe(Math.floor(MAX_ALL_PATH_BYTES / 1000));
  },
);
