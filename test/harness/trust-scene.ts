/**
 * A node that believes a root document, and three mirrors in folders where
 * maintainers, thieves and lagging mirrors leave documents and manifests. Each
 * look is a new start: all that is known is what lies on the disk.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { serializeManifest, signaturePath, type Manifest } from '@landfall/manifest';
import { formatKeyId, type SecretKey } from '@landfall/minisign';
import type { RootDocument } from '@landfall/trust';
import { expect } from 'vitest';
import { lookAtMirrors, type Look } from '../../updater/mirrors.ts';
import { readRootFile, writeRootFile } from '../../updater/records/root-file.ts';
import { foreseeTrust, keepTrust } from '../../updater/trust/keep.ts';
import { makeHost, type TestHost } from './host.ts';
import { exampleManifest } from './manifests.ts';
import { testKey } from './minisign-keys.ts';
import { makeMirror } from './release-factory.ts';
import { rootFiles, rootOf, signRoot, type RootHolders, type SignedRoot } from './roots.ts';
import { sha256, signAll } from './signed-manifests.ts';
import { temporaryFolder } from './temporary.ts';

const INDEX = 'releases/manifest.json';

export class TrustScene {
  readonly folder = temporaryFolder();
  readonly names = ['one', 'two', 'three'];
  /** Root keys and release keys, by turns: a thief may hold any. */
  readonly keys = {
    a: testKey(),
    b: testKey(),
    c: testKey(),
    r: testKey(),
    s: testKey(),
    t: testKey(),
  };
  readonly pin = join(this.folder, 'root.json');

  constructor() {
    for (const name of this.names) makeMirror(join(this.folder, name));
  }

  /** Version `version`, signed by `signers`. */
  root(
    version: number,
    holders: RootHolders,
    signers: readonly SecretKey[],
    changes: Partial<RootDocument> = {},
  ): SignedRoot {
    return signRoot(rootOf(version, holders, changes), signers);
  }

  pinned(signed: SignedRoot): this {
    for (const [path, content] of rootFiles(signed, this.pin)) writeFileSync(path, content);
    return this;
  }

  /** Puts a document on mirrors, under its own name unless told. */
  show(
    signed: SignedRoot,
    on: readonly string[] = this.names,
    version = signed.root.version,
  ): void {
    for (const [path, content] of rootFiles(signed, `trust/root-${version}.json`)) {
      for (const name of on) this.write(name, path, content);
    }
  }

  hide(version: number): void {
    for (const name of this.names) {
      for (const file of readdirSync(join(this.folder, name, 'trust'))) {
        if (file.startsWith(`root-${version}.`)) rmSync(join(this.folder, name, 'trust', file));
      }
    }
  }

  /** Publishes a manifest on all mirrors; its digest. */
  release(
    sequence: number,
    signers: readonly SecretKey[],
    changes: Partial<Manifest> = {},
  ): string {
    const bytes = serializeManifest({ ...exampleManifest(), sequence, previous: null, ...changes });
    const texts = signAll(bytes, signers);
    for (const name of this.names) {
      this.write(name, INDEX, bytes);
      for (const [index, key] of signers.entries()) {
        const keyId = index === 0 ? undefined : formatKeyId(key.keyId);
        this.write(name, signaturePath(INDEX, keyId), texts[index] ?? '');
      }
    }
    return sha256(bytes);
  }

  write(mirror: string, path: string, content: string | Uint8Array): void {
    const to = join(this.folder, mirror, path);
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, content);
  }

  /** A start of the updater. */
  host(top = ''): TestHost {
    const mirrors = this.names.map(
      (name) =>
        `[[mirrors]]\ntype = "directory"\nname = "${name}"\npath = "${join(this.folder, name)}"`,
    );
    const trust = `trusted_root = "${this.pin}"`;
    return makeHost({ folder: this.folder, trust, top, toml: mirrors.join('\n') });
  }

  /** A look that keeps what it finds; `keep: false` is what `updater check` does. */
  async look(options: { keep?: boolean; top?: string } = {}): Promise<Look & { host: TestHost }> {
    const host = this.host(options.top);
    makeMirror(join(this.folder, 'mirror'));
    const seen = await lookAtMirrors(host, options.keep === false ? foreseeTrust : keepTrust);
    return { ...seen, host };
  }

  /** The sequence that is believed, or the code of why none is. */
  async sees(): Promise<number | string> {
    try {
      const { newest } = await this.look();
      return 'code' in newest ? newest.code : newest.manifest.sequence;
    } catch (error) {
      return (error as { code: string }).code;
    }
  }

  /** Version of the newest document that is kept; 0 for none but the pin. */
  kept(): number {
    const folder = join(this.folder, 'state/trust');
    const versions = existsSync(folder) ? readdirSync(folder) : [];
    return Math.max(
      0,
      ...versions.map((name) => Number(/^root-(\d+)\.json$/.exec(name)?.[1] ?? 0)),
    );
  }

  /** As if the mirrors had been asked for documents so long ago. */
  askedAgo(ms: number): void {
    const { paths } = this.host();
    const known = readRootFile(paths);
    if (known === undefined) throw new Error('not asked yet');
    writeRootFile(paths, { ...known, asked: new Date(Date.now() - ms).toISOString() });
  }
}

/** A node that believes root key `a` and release key `r`, and runs sequence 41. */
export async function settled(): Promise<TrustScene> {
  const scene = new TrustScene();
  const { a, r } = scene.keys;
  scene.pinned(scene.root(1, { root: [a], release: [r] }, [a])).release(41, [r]);
  expect(await scene.sees()).toBe(41);
  return scene;
}
