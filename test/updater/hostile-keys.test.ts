/**
 * Keys in a thief's hands: what the thief can do until the maintainers have
 * replaced them, how nodes come back from it by themselves, and that no mirror
 * can bring the old keys back.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Manifest, parseHalt, parseManifest, parseRolloutSteps } from '@landfall/manifest';
import type { SecretKey } from '@landfall/minisign';
import { parseRoot } from '@landfall/trust';
import { describe, expect, it } from 'vitest';
import { type Attacked, attackedNode, refused, underAttack } from '../harness/attacked-node.ts';
import { exampleHalt } from '../harness/halts.ts';
import { exampleManifest } from '../harness/manifests.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { type Release, ReleaseFactory } from '../harness/release-factory.ts';
import { rootFiles, rootOf, signRoot, type SignedRoot } from '../harness/roots.ts';
import { sha256 } from '../harness/signed-manifests.ts';
import { temporaryFolder } from '../harness/temporary.ts';

/** Version `version`: `root` may replace it, `release` may sign the channel of the node. */
function document(
  version: number,
  root: SecretKey,
  release: SecretKey,
  floor?: Release,
  signers = [root],
): SignedRoot {
  const made = rootOf(version, { root: [root], release: [release] });
  const channels = made.channels.map((each) => ({ ...each, channel: 'stable' }));
  const floors = floor && [
    { channel: 'stable', sequence: floor.manifest.sequence, sha256: sha256(floor.bytes) },
  ];
  const changes = { channel: 'stable', channels, ...(floors === undefined ? {} : { floors }) };
  return signRoot({ ...made, ...changes }, signers);
}

/** Lets the node believe `pin` in place of the keys in its configuration. */
function pin({ node }: Attacked, signed: SignedRoot): void {
  const file = join(node.folder, 'root.json');
  for (const [path, content] of rootFiles(signed, file)) writeFileSync(path, content);
  const text = readFileSync(node.config, 'utf8');
  writeFileSync(node.config, text.replace(/^public_keys = .*$/m, `trusted_root = "${file}"`));
}

function show({ mirrors }: Pick<Attacked, 'mirrors'>, signed: SignedRoot, as?: number): void {
  const path = as === undefined ? undefined : `trust/root-${as}.json`;
  for (const [name, content] of rootFiles(signed, path)) {
    for (const mirror of mirrors) mirror.files.set(name, Buffer.from(content));
  }
}

/** A node that believes root document 1, of `rootKey`, which lets the factory's key sign. */
async function pinnedNode(): Promise<{ scene: Attacked; rootKey: SecretKey; first: Release }> {
  const scene = await attackedNode({ honest: 1 });
  const rootKey = testKey();
  pin(scene, document(1, rootKey, scene.factory.key));
  const first = await scene.make('1.0.1');
  scene.publish(first);
  const { outcome, told } = await scene.update();
  expect(outcome, told).toBe('kept');
  return { scene, rootKey, first };
}

/** The maintainers' workbench after the theft: another key, going on after `last`. */
async function rescue(key: SecretKey, last: Release, withdrawn: string[]): Promise<Release> {
  const factory = new ReleaseFactory(temporaryFolder(), { key });
  const { sequence } = last.manifest;
  return factory.make({
    version: '1.0.2',
    webUi: { 'index.html': '<p>version 1.0.2</p>\n', 'version.json': '{"version":"1.0.2"}' },
    change: (manifest) =>
      Object.assign(manifest, {
        sequence: sequence + 1,
        previous: { sequence, sha256: sha256(last.bytes) },
        withdrawn,
      }),
  });
}

describe('key compromise and recovery', () => {
  it("a thief's release is left, its sequence undone, and its key believed no more", async () => {
    const { scene, rootKey, first } = await pinnedNode();
    const far = (sequence: number): { change: (manifest: Manifest) => void } => ({
      change: (manifest) =>
        Object.assign(manifest, {
          sequence,
          published: '2055-01-01T00:00:00Z',
          expires: '2055-04-01T00:00:00Z',
        }),
    });
    // The key is stolen: what it signs runs, and takes the floor far ahead, and the time.
    const stolen = await scene.make('6.6.6', far(800));
    scene.publish(stolen);
    expect(await scene.update()).toMatchObject({ outcome: 'kept' });
    expect(scene.node.floor()).toBe(800);

    // The maintainers replace it: nobody visits a node.
    const fresh = testKey();
    show(scene, document(2, rootKey, fresh, first));
    const next = await rescue(fresh, first, ['6.6.6']);
    scene.publish(next);
    const { outcome, told } = await scene.update();
    expect(outcome, told).toBe('kept');
    expect(scene.node.page()).toContain('version 1.0.2');
    expect(scene.node.floor()).toBe(first.manifest.sequence + 1);

    // The thief goes on, on every mirror, also with what was believed before.
    for (const release of [stolen, await scene.make('6.6.7', far(801))]) {
      expect(await underAttack(scene, () => scene.publish(release))).toEqual(
        refused('NO_MANIFEST', 'which is none of the trusted keys', next.manifest.sequence),
      );
    }
  });

  it('of root keys below their threshold, or of a release key: no root document of theirs is taken', async () => {
    const { scene, rootKey } = await pinnedNode();
    const thief = testKey();
    const loot = new ReleaseFactory(temporaryFolder(), { key: thief });
    const forged = await loot.make({ version: '9.0.0', webUi: { 'index.html': 'owned' } });
    for (const signed of [
      document(2, thief, thief),
      document(2, thief, thief, undefined, [thief, scene.factory.key]),
      document(2, rootKey, thief, undefined, [thief, scene.factory.key]),
    ]) {
      expect(
        await underAttack(scene, () => {
          show(scene, signed);
          scene.publish(forged);
        }),
      ).toEqual(
        refused(
          'NO_MANIFEST',
          /'mirror-1' not signed by enough .*; and shows a root document that cannot be believed/,
          2,
        ),
      );
    }
  });
});

describe('rollback of the root document', () => {
  it('an old root under every name: the newest that was taken stays', async () => {
    const { scene, rootKey, first } = await pinnedNode();
    const fresh = testKey();
    const [one, two] = [
      document(1, rootKey, scene.factory.key),
      document(2, rootKey, fresh, first),
    ];
    show(scene, two);
    const next = await rescue(fresh, first, []);
    scene.publish(next);
    expect(await scene.update()).toMatchObject({ outcome: 'kept' });
    const stolen = await scene.make('6.6.6');
    for (const as of [1, 2, 3]) {
      expect(
        await underAttack(scene, () => {
          show(scene, one, as);
          scene.publish(stolen);
        }),
      ).toEqual(refused('NO_MANIFEST', 'which is none of the trusted keys', 3));
    }
    // Honest again, the mirrors are good for the next.
    show(scene, two);
    show(scene, document(3, rootKey, scene.factory.key), 3);
    scene.publish(await rescue(scene.factory.key, next, []));
    expect(await scene.update()).toMatchObject({ code: 'up-to-date' });
    expect(scene.node.floor()).toBe(4);
  });
});

describe('words of a thief', () => {
  it.each([
    ['an escape sequence', 'x\u001B[2J\u001B[Hall is well'],
    ['a carriage return', 'x\rall is well'],
    ['a line more', 'x\nall is well'],
    ['a C1 control', 'x\u009B2J'],
    ['text turned around', 'x\u202Ellew'],
  ])('with %s never reach a terminal', (_, reason) => {
    const root = rootOf(1, { root: [testKey()], release: [testKey()] });
    const { halted, ...halt } = exampleHalt();
    const manifest = exampleManifest();
    const encode = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
    const read = [
      (words: string): unknown => parseManifest(encode({ ...manifest, commit: words })),
      (words: string): unknown =>
        parseManifest(encode({ ...manifest, requires: { updater: words } })),
      (words: string): unknown => parseManifest(encode({ ...manifest, requires: { from: words } })),
      (words: string): unknown => parseRoot(encode({ ...root, reason: words })),
      (words: string): unknown =>
        parseHalt(encode({ ...halt, halted: halted.map((each) => ({ ...each, reason: words })) })),
    ];
    for (const each of read) {
      expect(() => each(reason)).toThrow('expected one line without control characters');
      expect(each('grüße: it answers 500')).toBeDefined();
    }
    // What is not known is named, and what does not fit is shown.
    const steps = [{ percent: 1, at: '2026-01-01T00:00:00Z', [reason.repeat(1000)]: 1 }];
    for (const refuse of [
      () => parseRolloutSteps(steps),
      () => parseManifest(encode({ ...manifest, schema: reason })),
    ]) {
      expect(refuse).toThrow(/^[^\p{Cc}\p{Cf}]{1,500}$/u);
    }
  });
});
