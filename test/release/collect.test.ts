/** Signatures of several people on one document: what counts, what does not, what is published. */
import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { signaturePath } from '@landfall/manifest';
import { formatKeyId, type SecretKey, sign } from '@landfall/minisign';
import { verifySignatures } from '@landfall/trust';
import { expect, it } from 'vitest';
import { addSignature, collectSignatures } from '../../release/collect.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { policyOf } from '../harness/signed-manifests.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const BYTES = new TextEncoder().encode('a document\n');

function makeDocument(): { path: string; folder: string; anna: SecretKey; bo: SecretKey } {
  const folder = temporaryFolder();
  const path = join(folder, 'manifest.json');
  writeFileSync(path, BYTES);
  return { path, folder, anna: testKey(), bo: testKey() };
}

it('takes them in any order and publishes the first of the policy under the plain name', () => {
  const { path, anna, bo } = makeDocument();
  const policy = policyOf([anna, bo], 2);
  addSignature(path, BYTES, bo, 'by bo');
  expect(collectSignatures(path, BYTES, policy)).toMatchObject({
    signers: [bo.publicKey],
    missing: [anna.publicKey],
  });
  addSignature(path, BYTES, anna, 'by anna');
  const { signers, missing, signatures } = collectSignatures(path, BYTES, policy);
  expect({ signers, missing }).toEqual({ signers: [anna.publicKey, bo.publicKey], missing: [] });
  expect([...signatures.keys()]).toEqual(['.minisig', signaturePath('', formatKeyId(bo.keyId))]);
  expect(verifySignatures(BYTES, [...signatures.values()], policy).signers).toHaveLength(2);
});

it('counts one key once, however many files it signed', () => {
  const { path, anna, bo } = makeDocument();
  for (const name of ['.minisig', '.anna.minisig', '.again.minisig']) {
    writeFileSync(`${path}${name}`, sign(anna, BYTES, { trustedComment: name }));
  }
  const { signers, signatures, ignored } = collectSignatures(path, BYTES, policyOf([anna, bo], 2));
  expect(signers).toEqual([anna.publicKey]);
  expect(signatures.size).toBe(1);
  expect(ignored).toEqual([]);
});

it('names what counts nothing, and is not spoiled by it', () => {
  const { path, folder, anna, bo } = makeDocument();
  addSignature(path, BYTES, anna, 'by anna');
  // A stranger, one over other bytes under the place of bo's, rubbish, and a file of another document.
  addSignature(path, BYTES, testKey(), 'by a stranger');
  const other = new TextEncoder().encode('another document\n');
  addSignature(path, other, bo, 'by bo');
  writeFileSync(`${path}.minisig`, 'rubbish');
  writeFileSync(join(folder, 'root-1.json.minisig'), sign(bo, BYTES, { trustedComment: 'x' }));
  const collected = collectSignatures(path, BYTES, policyOf([anna, bo], 2));
  expect(collected.signers).toEqual([anna.publicKey]);
  expect(collected.ignored).toHaveLength(3);
  expect(collected.ignored).toContain('manifest.json.minisig');
});

it('refuses to look at more than it would ever need', () => {
  const { path, folder, anna } = makeDocument();
  addSignature(path, BYTES, anna, 'by anna');
  for (let n = 0; n < 40; n += 1) writeFileSync(`${path}.${n}.minisig`, '');
  expect(() => collectSignatures(path, BYTES, policyOf([anna]))).toThrow(
    /expected at most 32, found 41/,
  );
  for (const name of readdirSync(folder))
    if (/\.\d+\.minisig$/.test(name)) rmSync(join(folder, name));
  // One that is larger than any signature is an error of its own, not a signature that fails.
  writeFileSync(`${path}.big`, 'x'.repeat(20_000));
  renameSync(`${path}.big`, `${path}.big.minisig`);
  expect(() => collectSignatures(path, BYTES, policyOf([anna]))).toThrow(/expected at most 10240/);
});
