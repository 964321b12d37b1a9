/**
 * Mutated archives: whatever happens to the bytes, the reader refuses, or reads
 * a tree that follows every rule and has another digest; it never throws
 * anything but its own error. The budget is fixed.
 */
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type ArchiveError, extractTree, gateArchive, type GateReport } from '@landfall/archive';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { directory, file, pax, ROOT, rawEntry, tar } from '../../harness/tar-builder.ts';
import { temporaryFolder } from '../../harness/temporary.ts';
import { zstdFrame } from '../../harness/zstd-builder.ts';
import { fileOf } from './helpers.ts';

const TAR = tar([
  ROOT,
  directory('./a/'),
  file('./a/b', 'hello world'),
  pax({ path: './a/long-name' }),
  file('./a/long', 'x'.repeat(600)),
  file('./z', '', { mode: 0o755 }),
]);

/** Writes the archive to `path`: the report, or the error's code; anything but an `ArchiveError` fails the test. */
async function read(path: string, bytes: Buffer): Promise<GateReport | string> {
  // A new file each time: ext4 flushes a file that is truncated and written again.
  rmSync(path);
  writeFileSync(path, bytes);
  return gateArchive(path).catch((error: ArchiveError) => {
    if (error.code !== 'ARCHIVE_REFUSED') throw error;
    return error.code;
  });
}

/** Headers, right and wrong. */
const NAME = fc.oneof(
  fc.constantFrom('./', './a', './a/', './a/b', '../a', '/', '.', './a/../b', 'a', './A'),
  fc.string({ maxLength: 20 }),
);
const FIELD = fc.oneof(
  fc.constantFrom(0o644, 0o755, 0o700, 0, 1),
  fc.constantFrom('0000755\0', '755 \0', '-1', '\0', '99999999'),
);
const ENTRY = fc.record(
  {
    name: NAME,
    mode: FIELD,
    size: fc.constantFrom(0, 1, 512, '00000000000\0', '\u0080\0\0\0'),
    flag: fc.constantFrom('0', '5', '0', '5', '1', '2', 'x', 'g', 'L', '\0'),
    content: fc.constantFrom('', 'x', '11 path=./a\n', '30 path=./a\n'),
    magic: fc.constantFrom('ustar\x0000', 'ustar\x0000', 'ustar  \0', 'x'),
  },
  { requiredKeys: ['name', 'flag'] },
);

const toEntry = (each: typeof ENTRY extends fc.Arbitrary<infer T> ? T : never): Buffer =>
  rawEntry({ mode: each.flag === '5' ? 0o755 : 0o644, ...each });

/** A root, and entries of any kind. */
const RANDOM_TAR = fc
  .array(ENTRY, { maxLength: 5 })
  .map((entries) => tar([ROOT, ...entries.map(toEntry)]));

/** A good archive with one entry of any kind somewhere in it. */
const TAINTED_TAR = fc.tuple(ENTRY, fc.integer({ min: 1, max: 5 })).map(([entry, at]) => {
  const good = [directory('./B/'), file('./B/b', 'x'), directory('./a/'), file('./a/b', 'hello')];
  return tar([ROOT, ...good, file('./z', 'end')].toSpliced(at, 0, toEntry(entry)));
});

/** What the rules promise of every listing that is let through. */
function followsTheRules(report: GateReport): boolean {
  const paths = report.listing.map((entry) => entry.path);
  return (
    report.root === 'drwxr-xr-x' &&
    paths[0] === '.' &&
    new Set(paths.map((path) => path.toLowerCase())).size === paths.length &&
    report.listing.every(
      ({ path, type, mode }) =>
        (mode === 0o755 || (mode === 0o644 && type === 'file')) &&
        !/(^|\/)\.\.(\/|$)|^\/|\p{Cc}/u.test(path) &&
        (path === '.' || paths.includes(path.replace(/\/?[^/]*$/, '') || '.')),
    )
  );
}

describe('a plain archive', () => {
  it('with any byte changed is refused or has another digest', async () => {
    const path = fileOf(TAR);
    const original = (await read(path, TAR)) as GateReport;
    const contents = new Map<string, number>();
    for (let at = 0; at < TAR.length; at += 1) {
      const copy = Buffer.from(TAR);
      copy[at] = (copy[at] ?? 0) ^ 0x01;
      const outcome = await read(path, copy);
      const key = typeof outcome === 'string' ? outcome : outcome.tree.digest;
      contents.set(key, (contents.get(key) ?? 0) + 1);
    }
    expect(contents.has(original.tree.digest)).toBe(false);
    // No sum covers content (11 and 600 bytes) and a name in a pax header (9): they show in the digest.
    expect(contents.get('ARCHIVE_REFUSED')).toBe(TAR.length - 620);
  });

  it('of random headers never passes what the rules forbid', async () => {
    const path = fileOf(TAR);
    let passed = 0;
    await fc.assert(
      fc.asyncProperty(RANDOM_TAR, async (bytes) => {
        const outcome = await read(path, bytes);
        if (typeof outcome === 'string') return;
        passed += 1;
        expect(followsTheRules(outcome)).toBe(true);
      }),
      { numRuns: 1500 },
    );
    expect(passed).toBeGreaterThan(20);
  });
});

it('extraction of a random header makes plain files and folders below its folder, and nothing else', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'ui.tar');
  const staging = join(folder, 'staging');
  const expected = { digest: '0'.repeat(64), entries: 10, size: 5000 };
  let made = 0;
  await fc.assert(
    fc.asyncProperty(TAINTED_TAR, async (bytes) => {
      for (const each of [path, staging]) rmSync(each, { recursive: true, force: true });
      writeFileSync(path, bytes);
      mkdirSync(staging);
      // It is never what was signed: what counts is what it did on the way.
      const error = await errorOf(() => extractTree(path, staging, { expect: expected }));
      expect(['ARCHIVE_REFUSED', 'ARCHIVE_DIGEST']).toContain(error.code);
      expect(readdirSync(folder).toSorted()).toEqual(['staging', 'ui.tar']);
      for (const name of readdirSync(staging, { recursive: true, encoding: 'utf8' })) {
        const stats = lstatSync(join(staging, name));
        made += 1;
        expect(stats.isFile() || stats.isDirectory()).toBe(true);
        expect([0o755, 0o644, 0o600, 0o700]).toContain(stats.mode & 0o7777);
      }
    }),
    { numRuns: 600 },
  );
  expect(made).toBeGreaterThan(300);
});

describe.each([
  ['plain', TAR],
  ['zstd', Buffer.concat([zstdFrame(TAR.subarray(0, 1500)), zstdFrame(TAR.subarray(1500))])],
  ['gzip', Buffer.concat([gzipSync(TAR.subarray(0, 1500)), gzipSync(TAR.subarray(1500))])],
])('%s', (_name, bytes) => {
  it('with pieces cut out, doubled, moved or overwritten is refused or follows the rules', async () => {
    const path = fileOf(bytes);
    const original = createHash('sha256').update(bytes).digest('hex');
    const edit = fc.record({
      kind: fc.constantFrom('cut', 'double', 'overwrite', 'insert'),
      at: fc.nat({ max: bytes.length - 1 }),
      length: fc.oneof(fc.integer({ min: 1, max: 16 }), fc.constantFrom(512, 1024)),
      data: fc.uint8Array({ minLength: 1, maxLength: 16 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), async (edits) => {
        let copy: Buffer = Buffer.from(bytes);
        for (const { kind, at, length, data } of edits) {
          const [before, piece, after] = [
            copy.subarray(0, at),
            copy.subarray(at, at + length),
            copy.subarray(at + length),
          ];
          if (kind === 'cut') copy = Buffer.concat([before, after]);
          else if (kind === 'double') copy = Buffer.concat([before, piece, piece, after]);
          else if (kind === 'insert') copy = Buffer.concat([before, data, piece, after]);
          else copy = Buffer.concat([before, data, copy.subarray(at + data.length)]);
        }
        const outcome = await read(path, copy);
        const isSame = createHash('sha256').update(copy).digest('hex') === original;
        expect(isSame || typeof outcome === 'string' || followsTheRules(outcome)).toBe(true);
      }),
      { numRuns: 400 },
    );
  });
});
