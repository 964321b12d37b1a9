/** Which manifests form one chain: sequences may be left out, manifests that a mirror served may not. */
import { generateKeyPair } from '@landfall/minisign';
import type { VerifiedManifest } from '@landfall/trust';
import { expect, it } from 'vitest';
import { Fixes } from '../../mirrors/audit/finding.ts';
import { checkChain } from '../../mirrors/audit/history.ts';
import { verified } from '../harness/signed-manifests.ts';

const key = generateKeyPair();

/** The manifest of `sequence`, which says that `before` is the one before it. */
function after(before: VerifiedManifest | null, sequence: number): VerifiedManifest {
  const previous = before && { sequence: before.manifest.sequence, sha256: before.sha256 };
  return verified(key, { sequence, version: `1.0.${sequence}`, previous });
}

function broken(...manifests: VerifiedManifest[]): string[] {
  const seen = manifests.map((each) => ({ mirror: 'oslo', verified: each }));
  return checkChain(seen, new Fixes('')).map(({ code, message }) => `${code} ${message}`);
}

const third = after(null, 3);
const fourth = after(third, 4);

it('takes a sequence that nobody published for no break', () => {
  expect(broken(third, fourth, after(fourth, 5))).toEqual([]);
  expect(broken(third, after(third, 5))).toEqual([]);
  expect(broken(after(third, 9))).toEqual([]);
});

it('finds a manifest that leaves out one that was served', () => {
  expect(broken(third, fourth, after(third, 6))).toEqual([
    "CHAIN_BROKEN the chain is broken at 1.0.6 (sequence 6): expected 'previous' to be sequence 4, which was served, found sequence 3",
  ]);
});

it('finds one that names another manifest of that sequence, also over a gap', () => {
  const other = verified(key, { sequence: 3, version: '9.9.9', previous: null });
  expect(broken(third, after(other, 5))).toEqual([
    expect.stringMatching(/^CHAIN_BROKEN .*which is served as sequence 3, found sha256/),
  ]);
});
