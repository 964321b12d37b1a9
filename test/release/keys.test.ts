/** What is said of a secret key that may not sign: one that was dropped may be stolen, and is added nowhere again. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  generateKeyPair,
  publicKeyBase64,
  SecretKey,
  serializeSecretKey,
} from '@landfall/minisign';
import { expect, it, onTestFinished, vi } from 'vitest';
import { openKey, openKeys, ROOT_DOCUMENT } from '../../release/keys.ts';
import type { RootStep } from '../../release/roots.ts';
import { errorOf } from '../harness/errors.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const [key, other] = [generateKeyPair(), generateKeyPair()];
const [line, next] = [key, other].map(({ publicKey }) => publicKeyBase64(publicKey));

/** A root document that lists these keys for channels. */
function step(version: number, channels: Record<string, string | undefined>): RootStep {
  const listed = Object.entries(channels).map(([channel, each]) => ({
    channel,
    keys: [each],
    threshold: 1,
  }));
  const root = { version, root: { keys: [next], threshold: 1 }, channels: listed };
  return { root } as unknown as RootStep;
}

async function hintOf(roots: readonly RootStep[]): Promise<string | undefined> {
  const path = join(temporaryFolder(), 'release.key');
  writeFileSync(path, await serializeSecretKey(key, { password: undefined }), { mode: 0o600 });
  const error = await errorOf(() =>
    openKey('release.key', path, [other.publicKey], ROOT_DOCUMENT, roots),
  );
  expect(error).toMatchObject({ code: 'KEY_MISMATCH' });
  return (error as { hint?: string }).hint;
}

it('one that was never listed may be added', async () => {
  const hint = await hintOf([step(1, { stable: next })]);
  expect(hint).toBe(`if it is the right key, 'release trust rotate' adds '${line}'`);
});

it('one that was dropped is to be taken out', async () => {
  const hint = await hintOf([
    step(1, { stable: line }),
    step(2, { stable: next }),
    step(3, { stable: next }),
  ]);
  expect(hint).toMatch(/^it was dropped by root document 2: take it out of 'keys.secret'/);
});

it('one that was dropped for one channel stays with the others', async () => {
  const hint = await hintOf([
    step(1, { stable: line, beta: line }),
    step(2, { stable: line, beta: next }),
  ]);
  expect(hint).toBe(
    "it was dropped for channel 'beta' by root document 2, and still signs for channel 'stable': use it for that alone, and here the key that took its place",
  );
});

it('those that were opened before one that may not sign are destroyed', async () => {
  const directory = temporaryFolder();
  const files = ['a.key', 'b.key'];
  for (const [index, each] of [key, other].entries()) {
    const text = await serializeSecretKey(each, { password: undefined });
    writeFileSync(join(directory, files[index]!), text, { mode: 0o600 });
  }
  const destroyed = vi.spyOn(SecretKey.prototype, 'destroy');
  onTestFinished(() => destroyed.mockRestore());
  const settings = { directory, roots: [], keys: { secret: files, root: undefined } };
  const expected = { policy: { keys: [key.publicKey], threshold: 1 } };
  const error = await errorOf(() => openKeys({ settings, expected } as never));
  expect(error).toMatchObject({ code: 'KEY_MISMATCH' });
  const ids = (destroyed.mock.contexts as SecretKey[]).map(({ keyId }) => keyId);
  expect(ids).toEqual([other.keyId, key.keyId]);
});
