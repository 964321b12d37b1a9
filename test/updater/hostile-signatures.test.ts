/**
 * Signatures in an attacker's hands, one test per attack, and every single byte
 * of what travels flipped: the manifest, its signature, the archive.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type ArchiveError, extractTree } from '@landfall/archive';
import { signaturePath } from '@landfall/manifest';
import { formatKeyId, publicKeyBase64, type SecretKey, sign } from '@landfall/minisign';
import { downloadArtifact, type MirrorError, openMirrors } from '@landfall/mirrors';
import { TrustError, verifyManifest } from '@landfall/trust';
import { describe, expect, it } from 'vitest';
import { type Attacked, attackedNode, refused, underAttack } from '../harness/attacked-node.ts';
import { artifactOf, MANIFEST, SIGNATURE, startHostileMirror } from '../harness/hostile-mirror.ts';
import { editBase64Line, editLine, relabelled, testKey } from '../harness/minisign-keys.ts';
import { ReleaseFactory } from '../harness/release-factory.ts';
import { policyOf, signAll } from '../harness/signed-manifests.ts';
import { temporaryFolder } from '../harness/temporary.ts';

/** Lets the node trust these keys from now on, so many of which must sign. */
function trust({ node }: Attacked, keys: readonly SecretKey[], threshold: number): void {
  const lines = keys.map((key) => `"${publicKeyBase64(key.publicKey)}"`).join(', ');
  const text = readFileSync(node.config, 'utf8').replace(
    /^public_keys = .*$/m,
    `public_keys = [${lines}]\nthreshold = ${threshold}`,
  );
  writeFileSync(node.config, text);
}

const signatureOf = (key: SecretKey): string => signaturePath(MANIFEST, formatKeyId(key.keyId));

describe('one key signing twice for a threshold of two', () => {
  it('under its own id, under the id of the other, and under both', async () => {
    const scene = await attackedNode();
    const [{ key }, other, { evil }] = [scene.factory, testKey(), scene];
    trust(scene, [key, other], 2);
    const next = await scene.make('1.1.0');
    evil.publish(next);
    const asOther = await relabelled(key, other.keyId);
    const again = (by: SecretKey): Buffer =>
      Buffer.from(sign(by, next.bytes, { trustedComment: 'the second time' }));
    for (const [first, second, third] of [
      [undefined, again(key), undefined],
      [undefined, undefined, again(key)],
      [again(asOther), again(key), undefined],
      [undefined, again(key), again(asOther)],
    ]) {
      expect(
        await underAttack(scene, () => {
          if (first !== undefined) evil.files.set(SIGNATURE, first);
          if (second !== undefined) evil.files.set(signatureOf(key), second);
          if (third !== undefined) evil.files.set(signatureOf(other), third);
        }),
      ).toEqual(refused('NO_MANIFEST', /expected 2 of 2 .*found 1 /));
    }
    // What is asked for is two people, and then it is taken.
    evil.publish(next);
    const [theirs = ''] = signAll(next.bytes, [other]);
    evil.files.set(signatureOf(other), Buffer.from(theirs));
    expect(await scene.update()).toMatchObject({ outcome: 'kept' });
  });

  it('as a key that is listed under two ids', async () => {
    const scene = await attackedNode();
    const { key } = scene.factory;
    const twin = await relabelled(key, Buffer.from('another!'));
    trust(scene, [key, twin, testKey()], 2);
    const next = await scene.make('1.1.0');
    const [, second = ''] = signAll(next.bytes, [key, twin]);
    expect(
      await underAttack(scene, () => {
        scene.evil.publish(next);
        scene.evil.files.set(signatureOf(twin), Buffer.from(second));
      }),
    ).toEqual(refused('NO_MANIFEST', 'expected 2 of 2'));
  });
});

describe('legacy signature relabelled', () => {
  /** A signature of the message itself, as `minisign -S -l` makes it, under the name `algorithm`. */
  const legacy = (key: SecretKey, message: Uint8Array, algorithm: string): string =>
    withAlgorithm(
      algorithm,
      sign(key, message, { trustedComment: 'x' }),
      (bytes) => {
        bytes.set(key.signBytes(message), 10);
      },
      key,
    );

  it('as a prehashed one, and a prehashed one as legacy', async () => {
    const scene = await attackedNode();
    const { key } = scene.factory;
    const next = await scene.make('1.1.0');
    scene.evil.publish(next);
    const hash = createHash('blake2b512').update(next.bytes).digest();
    for (const [bytes, text, words] of [
      // What an old minisign signed; refused as what it is, and under the other name.
      [next.bytes, legacy(key, next.bytes, 'Ed'), "found a legacy one ('Ed')"],
      [next.bytes, legacy(key, next.bytes, 'ED'), 'does not verify over these bytes'],
      // The 64 bytes that a prehashed signature is really over, shown as a message of their own.
      [hash, withAlgorithm('Ed', next.signature), "found a legacy one ('Ed')"],
      [hash, next.signature, 'does not verify over these bytes'],
    ] as const) {
      expect(
        await underAttack(scene, () => {
          scene.evil.files.set(MANIFEST, Buffer.from(bytes));
          scene.evil.files.set(SIGNATURE, Buffer.from(text));
        }),
      ).toEqual(refused('NO_MANIFEST', words));
    }
  });
});

/** The signature file `text` with another algorithm; signed anew as a whole by `key` after `edit`. */
function withAlgorithm(
  algorithm: string,
  text: string,
  edit: (bytes: Buffer) => void = () => undefined,
  key?: SecretKey,
): string {
  let signature: Uint8Array = new Uint8Array();
  const changed = editBase64Line(text, 1, (bytes) => {
    bytes.write(algorithm, 0, 'latin1');
    edit(bytes);
    signature = bytes.subarray(10);
  });
  if (key === undefined) return changed;
  const comment = changed.split('\n')[2]?.replace('trusted comment: ', '') ?? '';
  const whole = key.signBytes(Buffer.concat([signature, Buffer.from(comment)]));
  return editLine(3, () => Buffer.from(whole).toString('base64'))(changed);
}

describe('carriage return in a trusted comment', () => {
  it('at its end, inside of it, and signed by the key itself', async () => {
    const scene = await attackedNode();
    const { key } = scene.factory;
    const next = await scene.make('1.1.0');
    scene.evil.publish(next);
    // What a terminal shows of it is the second half.
    const spoof = 'sequence 2\rtrusted comment: sequence 9';
    const signed = key.signBytes(
      Buffer.concat([
        Buffer.from(next.signature.split('\n')[1] ?? '', 'base64').subarray(10),
        Buffer.from(spoof),
      ]),
    );
    const withSpoof = editLine(2, () => `trusted comment: ${spoof}`)(next.signature);
    for (const text of [
      editLine(2, (line) => `${line}\r`)(next.signature),
      next.signature.replaceAll('\n', '\r\n'),
      withSpoof,
      editLine(3, () => Buffer.from(signed).toString('base64'))(withSpoof),
    ]) {
      expect(text).toContain('\r');
      expect(
        await underAttack(scene, () => scene.evil.files.set(SIGNATURE, Buffer.from(text))),
      ).toEqual(refused('NO_MANIFEST', 'found a carriage return'));
    }
  });
});

describe('every single byte flipped', () => {
  const EXPECTED = { app: 'archipelago', channel: 'stable' };
  /** `bytes` with one bit of a byte another, for each of them; which bit goes round. */
  function* flips(bytes: Uint8Array): Generator<[Buffer, number]> {
    for (let at = 0; at < bytes.length; at += 1) {
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8));
      yield [copy, at];
    }
  }

  /** A small release, where it can be had, and what its archive holds. */
  async function smallRelease() {
    const factory = new ReleaseFactory(temporaryFolder());
    const release = await factory.make({
      version: '1.0.0',
      webUi: { 'index.html': '<p>one</p>\n', 'assets/app.js': 'run();\n' },
    });
    const [component] = release.manifest.components;
    if (component?.kind !== 'tree') throw new Error('expected a tree');
    const [artifact] = component.artifacts;
    if (artifact === undefined) throw new Error('expected an artifact');
    return { ...release, policy: policyOf([factory.key]), release, artifact };
  }

  it('of the manifest: nothing of it is believed', async () => {
    const { bytes, signature, policy } = await smallRelease();
    let count = 0;
    for (const [copy] of flips(bytes)) {
      const outcome = refusalOf(() => verifyManifest(copy, [signature], policy, EXPECTED));
      count += outcome === 'UNTRUSTED' ? 1 : 0;
    }
    expect(count).toBe(bytes.length);
  });

  it('of the signature: it counts nothing, but for the words that nobody signs', async () => {
    const { bytes, signature, policy } = await smallRelease();
    const words = [signature.indexOf(': ') + 2, signature.indexOf('\n')] as const;
    for (const [copy, at] of flips(Buffer.from(signature))) {
      const free = at >= words[0] && at < words[1];
      const outcome = refusalOf(() => verifyManifest(bytes, [copy], policy, EXPECTED));
      expect(free ? [undefined, 'UNTRUSTED'] : ['UNTRUSTED'], `byte ${at}`).toContain(outcome);
    }
  });

  it('of the archive: no download of it is kept', async () => {
    const { release, artifact } = await smallRelease();
    const { file, size, sha256 } = artifact;
    const evil = await startHostileMirror();
    evil.publish(release);
    const path = artifactOf(release);
    const mirrors = openMirrors([{ type: 'directory', url: evil.url, name: 'evil' }]);
    const to = join(temporaryFolder(), `${file}.unverified`);
    let flipped = 0;
    for (const [copy, at] of flips(evil.files.get(path) ?? Buffer.alloc(0))) {
      evil.files.set(path, copy);
      const wanted = { version: '1.0.0', file, size, sha256, to };
      const error = await downloadArtifact(mirrors, wanted).then(
        ({ fd }) => closeSync(fd),
        (thrown: MirrorError) => thrown,
      );
      expect([at, error?.code, existsSync(to)]).toEqual([at, 'BAD_ANSWER', false]);
      flipped += 1;
    }
    expect(flipped).toBe(size);
  });

  it('of the archive, were its digest not looked at: what was signed is unpacked, or nothing', async () => {
    const { folder, artifact } = await smallRelease();
    const work = temporaryFolder();
    const [archive, staging] = [join(work, 'archive'), join(work, 'staging')];
    for (const [copy] of flips(readFileSync(join(folder, artifact.file)))) {
      for (const path of [archive, staging]) rmSync(path, { recursive: true, force: true });
      writeFileSync(archive, copy);
      mkdirSync(staging);
      const outcome = await extractTree(archive, staging, { expect: artifact.tree }).then(
        ({ tree }) => tree,
        (error: ArchiveError) => error.code,
      );
      expect(['ARCHIVE_REFUSED', 'ARCHIVE_DIGEST', artifact.tree]).toContainEqual(outcome);
      expect(readdirSync(work).toSorted()).toEqual(['archive', 'staging']);
    }
  });
});

/** The code that `call` is refused with; undefined when it is not. */
function refusalOf(call: () => unknown): string | undefined {
  try {
    call();
  } catch (error) {
    if (error instanceof TrustError) return error.code;
    throw error;
  }
  return undefined;
}
