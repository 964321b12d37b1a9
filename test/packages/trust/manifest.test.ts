/** The numbered steps of `verifyManifest`. */
import { serializeManifest, type Manifest } from '@landfall/manifest';
import { formatKeyId } from '@landfall/minisign';
import { verifyManifest } from '@landfall/trust';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../harness/errors.ts';
import { exampleManifest } from '../../harness/manifests.ts';
import { testKey } from '../../harness/minisign-keys.ts';
import { policyOf, sha256, signAll } from '../../harness/signed-manifests.ts';

const EXPECTED = { app: 'archipelago', channel: 'alpha' };
const bytesOf = (changes: Partial<Manifest> = {}): Uint8Array =>
  serializeManifest({ ...exampleManifest(), ...changes });

describe('verifyManifest', () => {
  it('returns the manifest, the very bytes, their digest and who signed', () => {
    const [a, b] = [testKey(), testKey()];
    const bytes = bytesOf();
    const copy = Uint8Array.from(bytes);
    const policy = policyOf([a, b], 2);
    const verified = verifyManifest(bytes, signAll(bytes, [b, a]), policy, EXPECTED);
    bytes.fill(0);
    expect(verified).toEqual({
      manifest: exampleManifest(),
      bytes: copy,
      sha256: sha256(copy),
      signers: [formatKeyId(a.keyId), formatKeyId(b.keyId)],
    });
  });

  it('takes any channel when none is expected', () => {
    const key = testKey();
    const bytes = bytesOf({ channel: 'stable' });
    const expected = { app: 'archipelago' };
    const verified = verifyManifest(bytes, signAll(bytes, [key]), policyOf([key]), expected);
    expect(verified.manifest.channel).toBe('stable');
  });

  it.each<[string, (bytes: Uint8Array) => Uint8Array]>([
    ['a manifest', (bytes) => bytes],
    ['a manifest of another app', () => bytesOf({ app: 'atoll' })],
    ['bytes that are no manifest', () => Buffer.from('<html>not found</html>')],
    ['a manifest of a schema to come', () => Buffer.from('{"schema": 2}')],
    ['JSON nested beyond any parser', () => Buffer.alloc(1_000_000, '[')],
    ['nothing', () => new Uint8Array()],
  ])('1. does not look into what is not signed: %s', async (_, make) => {
    const [key, stranger] = [testKey(), testKey()];
    const bytes = make(bytesOf());
    const signatures = signAll(bytes, [stranger]);
    const error = await errorOf(() => verifyManifest(bytes, signatures, policyOf([key]), EXPECTED));
    expect(error.code).toBe('UNTRUSTED');
    expect(error.exit).toBe(3);
  });

  it('1. refuses a manifest with any byte changed after signing', async () => {
    const key = testKey();
    const bytes = bytesOf();
    const signatures = signAll(bytes, [key]);
    for (let at = 0; at < bytes.length; at += 7) {
      const changed = Uint8Array.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      const attempt = (): unknown => verifyManifest(changed, signatures, policyOf([key]), EXPECTED);
      expect((await errorOf(attempt)).code).toBe('UNTRUSTED');
    }
    for (const changed of [bytes.subarray(1), Buffer.concat([bytes, Buffer.from('\n')])]) {
      const attempt = (): unknown => verifyManifest(changed, signatures, policyOf([key]), EXPECTED);
      expect((await errorOf(attempt)).code).toBe('UNTRUSTED');
    }
  });

  it.each<[string, Uint8Array, string]>([
    ['no manifest', Buffer.from('hello'), 'MANIFEST_INVALID'],
    ['a schema to come', Buffer.from('{"schema": 2}'), 'MANIFEST_SCHEMA'],
    ['a field missing', Buffer.from('{"schema": 1, "app": "archipelago"}'), 'MANIFEST_INVALID'],
  ])('2. refuses signed bytes that are %s', async (_, bytes, code) => {
    const key = testKey();
    const signatures = signAll(bytes, [key]);
    const error = await errorOf(() => verifyManifest(bytes, signatures, policyOf([key]), EXPECTED));
    expect(error.code).toBe(code);
    expect(error.exit).toBe(3);
  });

  it.each<[string, Partial<Manifest>, string, string]>([
    [
      '3. another app',
      { app: 'atoll', channel: 'beta' },
      'WRONG_APP',
      "manifest is of another app: expected 'archipelago', found 'atoll'",
    ],
    [
      '4. another channel',
      { channel: 'beta' },
      'WRONG_CHANNEL',
      "manifest is of another channel: expected 'alpha', found 'beta'",
    ],
  ])('%s is refused, however well signed', async (_, changes, code, message) => {
    const key = testKey();
    const bytes = bytesOf(changes);
    const signatures = signAll(bytes, [key]);
    const error = await errorOf(() => verifyManifest(bytes, signatures, policyOf([key]), EXPECTED));
    expect(error.code).toBe(code);
    expect(error.message).toBe(message);
    expect(error.hint).toContain('in the configuration');
    expect(error.exit).toBe(3);
  });
});
