/** Halt files: what is one, and who is believed about it. */
import {
  type Halt,
  haltPath,
  MAX_HALT_BYTES,
  parseHalt,
  serializeHalt,
  serializeManifest,
} from '@landfall/manifest';
import { formatKeyId } from '@landfall/minisign';
import { verifyHalt, verifyManifest } from '@landfall/trust';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { exampleHalt } from '../../harness/halts.ts';
import { exampleManifest } from '../../harness/manifests.ts';
import { testKey } from '../../harness/minisign-keys.ts';
import { policyOf, sha256, signAll } from '../../harness/signed-manifests.ts';

const EXPECTED = { app: 'archipelago', channel: 'alpha' };
const text = (halt: object): Uint8Array => new TextEncoder().encode(JSON.stringify(halt));

describe('a halt file', () => {
  it('is written one way, read back as it was, and keeps what it does not know', () => {
    const bytes = serializeHalt(exampleHalt());
    expect(parseHalt(bytes)).toEqual(exampleHalt());
    expect(serializeHalt(parseHalt(bytes))).toEqual(bytes);
    const { schema, kind, ...rest } = exampleHalt();
    const reordered = { ...rest, kind, schema };
    expect(serializeHalt(reordered)).toEqual(bytes);
    expect(parseHalt(text({ ...exampleHalt(), note: 1 }))).toHaveProperty('note', 1);
    expect([haltPath(undefined), haltPath('beta')]).toEqual([
      'releases/halt.json',
      'releases/beta/halt.json',
    ]);
  });

  const [entry] = exampleHalt().halted;
  it.each<[string, object, string]>([
    ['another kind', { kind: 'root' }, 'HALT_INVALID'],
    ['another schema', { schema: 2 }, 'HALT_SCHEMA'],
    ['a serial of 0', { serial: 0 }, 'HALT_INVALID'],
    ['a serial that is no number', { serial: '3' }, 'HALT_INVALID'],
    ['a serial beyond what is exact', { serial: 2 ** 53 }, 'HALT_INVALID'],
    ['no channel', { channel: undefined }, 'HALT_INVALID'],
    ['a version that is none', { halted: [{ ...entry, version: 'all' }] }, 'HALT_INVALID'],
    ['a version twice', { halted: [entry, entry] }, 'HALT_INVALID'],
    ['a reason without end', { halted: [{ ...entry, reason: 'x'.repeat(501) }] }, 'HALT_INVALID'],
  ])('with %s is none', async (_, change, code) => {
    const bytes = text({ ...exampleHalt(), ...change });
    expect((await errorOf(() => parseHalt(bytes))).code).toBe(code);
  });

  it('has a bound, and what would not fit is not written', async () => {
    const large = text({ ...exampleHalt(), note: 'x'.repeat(MAX_HALT_BYTES) });
    expect((await errorOf(() => parseHalt(large))).message).toContain('too large');
    const wrong: Halt = { ...exampleHalt(), serial: -1 };
    expect((await errorOf(() => serializeHalt(wrong))).code).toBe('HALT_INVALID');
  });
});

describe('verifyHalt', () => {
  it('returns the halt, the very bytes, their digest and who signed', () => {
    const [a, b] = [testKey(), testKey()];
    const bytes = serializeHalt(exampleHalt());
    expect(verifyHalt(bytes, signAll(bytes, [b, a]), policyOf([a, b], 2), EXPECTED)).toEqual({
      halt: exampleHalt(),
      bytes,
      sha256: sha256(bytes),
      signers: [formatKeyId(a.keyId), formatKeyId(b.keyId)],
    });
  });

  it('does not look into what too few signed, also when one did so twice', async () => {
    const [a, b, stranger] = [testKey(), testKey(), testKey()];
    const bytes = text({ kind: 'no halt' });
    const code = async (keys: readonly (typeof a)[]): Promise<string> =>
      (await errorOf(() => verifyHalt(bytes, signAll(bytes, keys), policyOf([a, b], 2), EXPECTED)))
        .code;
    expect(await code([stranger])).toBe('UNTRUSTED');
    expect(await code([a])).toBe('UNTRUSTED');
    expect(await code([a, a])).toBe('UNTRUSTED');
    expect(await code([a, b]), 'only now it is read').toBe('HALT_INVALID');
  });

  it('refuses a file with any byte changed after signing', async () => {
    const key = testKey();
    const bytes = serializeHalt(exampleHalt());
    const signatures = signAll(bytes, [key]);
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Uint8Array.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      const error = await errorOf(() => verifyHalt(changed, signatures, policyOf([key]), EXPECTED));
      expect(error.code).toBe('UNTRUSTED');
    }
  });

  it('refuses that of another app or channel, and a manifest in its place; nor is it a manifest', async () => {
    const key = testKey();
    const policy = policyOf([key]);
    const verify = async (bytes: Uint8Array): Promise<string> =>
      (await errorOf(() => verifyHalt(bytes, signAll(bytes, [key]), policy, EXPECTED))).code;
    expect(await verify(serializeHalt(exampleHalt({ app: 'atoll' })))).toBe('WRONG_APP');
    expect(await verify(serializeHalt(exampleHalt({ channel: 'beta' })))).toBe('WRONG_CHANNEL');
    expect(await verify(serializeManifest(exampleManifest()))).toBe('HALT_INVALID');
    const bytes = serializeHalt(exampleHalt());
    const error = await errorOf(() =>
      verifyManifest(bytes, signAll(bytes, [key]), policy, EXPECTED),
    );
    expect(error.code).toBe('MANIFEST_INVALID');
  });
});
