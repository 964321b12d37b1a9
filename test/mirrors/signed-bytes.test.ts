import { createHash, randomBytes } from 'node:crypto';
import type { ReleaseFile } from '@landfall/manifest';
import { SignedBytes } from '@landfall/mirrors';
import { expect, it } from 'vitest';

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const BYTES = randomBytes(1000);
const OTHER = randomBytes(1000);
/** Ranges of 300, 300, 1 and 399 bytes. */
const rangesOf = (bytes: Uint8Array): { size: number; sha256: string }[] =>
  [
    bytes.subarray(0, 300),
    bytes.subarray(300, 600),
    bytes.subarray(600, 601),
    bytes.subarray(601),
  ].map((each) => ({ size: each.length, sha256: digest(each) }));

function fileOf(
  whole: Uint8Array,
  frames: { size: number; sha256: string }[] | undefined,
): ReleaseFile {
  const served = { file: 'x.zst', size: 1000, sha256: digest(whole) };
  const content = { mode: 0o755 as const, contentSha256: digest(whole), contentSize: 1 };
  const artifact = { platform: 'any', ...served, ...content, deltas: [], frames };
  return { ...served, artifact };
}

function look(file: ReleaseFile, bytes: Uint8Array, piece: number): boolean | undefined {
  const signed = new SignedBytes(file);
  for (let at = 0; at < bytes.length; at += piece) signed.update(bytes.subarray(at, at + piece));
  const found = signed.finish();
  expect(found).toMatchObject({ size: bytes.length, sha256: digest(bytes) });
  return found.isRight;
}

it.each([1, 7, 300, 301, 1000])('tells right, wrong and both, in pieces of %i bytes', (piece) => {
  const good = fileOf(BYTES, rangesOf(BYTES));
  const torn = fileOf(BYTES, rangesOf(OTHER));
  expect(look(good, BYTES, piece)).toBe(true);
  expect(look(fileOf(BYTES, undefined), BYTES, piece)).toBe(true);
  expect(look(good, OTHER, piece)).toBe(false);
  expect(look(fileOf(BYTES, undefined), OTHER, piece)).toBe(false);
  expect(look(torn, BYTES, piece)).toBeUndefined();
  expect(look(torn, OTHER, piece)).toBeUndefined();
  expect(look(torn, randomBytes(1000), piece)).toBe(false);
});

it.each([
  ['too few', BYTES.subarray(0, 600)],
  ['too many', Buffer.concat([BYTES, BYTES])],
  ['no', Buffer.alloc(0)],
])('%s bytes are wrong, not both', (_, bytes) => {
  for (const frames of [BYTES, OTHER]) {
    expect(look(fileOf(BYTES, rangesOf(frames)), bytes, 64)).toBe(false);
  }
});

it('one range that is wrong is enough', () => {
  for (const index of [0, 1, 2, 3]) {
    const frames = rangesOf(BYTES);
    frames[index]!.sha256 = '0'.repeat(64);
    expect(look(fileOf(BYTES, frames), BYTES, 64)).toBeUndefined();
  }
});
