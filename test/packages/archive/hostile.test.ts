/**
 * Hostile archives, one per row: the gate refuses each and says what is wrong;
 * extraction refuses each and leaves nothing outside its directory.
 */
import { existsSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { extractTree, gateArchive } from '@landfall/archive';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { directory, file, ROOT, tar } from '../../harness/tar-builder.ts';
import { emptyDirectory, fileOf } from './helpers.ts';
import { rootMode } from './hostile-entries.ts';
import { ROWS } from './hostile-rows.ts';

describe('a hostile archive', () => {
  it.each(ROWS)('%s: refused by the gate', async (_name, bytes, message) => {
    const error = await errorOf(() => gateArchive(fileOf(bytes)));
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/^archive 'ui.tar': /);
    expect(error.message).not.toMatch(/\p{Cc}/u);
    expect(error).toMatchObject({ code: 'ARCHIVE_REFUSED', exit: 3 });
    expect(error.message.length).toBeLessThan(1000);
  });

  it.each(ROWS)('%s: refused by extraction', async (_name, bytes) => {
    const staging = emptyDirectory();
    const expected = { digest: 'a'.repeat(64), size: 1_000_000, entries: 1000 };
    const error = await errorOf(() => extractTree(fileOf(bytes), staging, { expect: expected }));
    expect(['ARCHIVE_REFUSED', 'ARCHIVE_DIGEST']).toContain(error.code);
    expect(error.exit).toBe(3);
    expect(readdirSync(dirname(staging))).toEqual(['staging']);
    expect(existsSync('/etc/cron.d/x')).toBe(false);
  });

  it('is refused by extraction in the words of the gate, and nothing is written from there on', async () => {
    const path = fileOf(
      tar([
        ROOT,
        file('./a', 'a'),
        file('./b', 'b', { mode: 0o600 }),
        file('./c', 'c'),
        file('./d', '', { uid: 1 }),
      ]),
    );
    const staging = emptyDirectory();
    const expected = { digest: 'a'.repeat(64), size: 1000, entries: 10 };
    const error = await errorOf(() => extractTree(path, staging, { expect: expected }));
    const gated = await errorOf(() => gateArchive(path));
    expect(error).toMatchObject({
      code: 'ARCHIVE_REFUSED',
      message: gated.message,
      hint: gated.hint,
    });
    expect(gated.message).toMatch(/'.\/b' is -rw------- .*'.\/d' belongs to 1:0/);
    expect(readdirSync(staging)).toEqual(['a']);
  });

  it('says what to do about a root of 0700', async () => {
    const error = await errorOf(() => gateArchive(fileOf(rootMode('./'), 'web-ui.tar.gz')));
    expect(error.message).toBe(
      "archive 'web-ui.tar.gz': root directory './' is drwx------ (0700), expected drwxr-xr-x (0755)",
    );
    expect(error.hint).toContain('release build');
  });

  it('is told with a few of its problems and the number of the others', async () => {
    const entries = Array.from({ length: 500 }, (_, index) =>
      file(`./f${String(index).padStart(3, '0')}`, '', { mode: 0o600 }),
    );
    const error = await errorOf(() => gateArchive(fileOf(tar([ROOT, ...entries]))));
    expect(error.message).toContain("'./f000' is -rw------- (0600)");
    expect(error.message).toMatch(/; and 496 more problems$/);
  });

  it('tells what it found before it broke off', async () => {
    const bytes = tar([directory('./', { mode: 0o700 }), file('./a', 'x')], Buffer.alloc(0));
    const error = await errorOf(() => gateArchive(fileOf(bytes)));
    expect(error.message).toMatch(/root directory '.\/' is drwx------ .*; and 1 more problem$/);
  });
});
