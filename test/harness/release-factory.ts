/**
 * Makes small, real, signed releases and lays them out on directory mirrors,
 * with the packages that nodes and maintainers use. Each release is the next
 * in sequence of its factory.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packFile, packTree, planTree } from '@landfall/archive';
import {
  artifactFileName,
  artifactFiles,
  contentDigest,
  deploymentId,
  hostPlatform,
  indexPath,
  type Manifest,
  ManifestError,
  parseManifest,
  releaseTag,
  selectArtifacts,
  serializeManifest,
  signaturePath,
} from '@landfall/manifest';
import { generateKeyPair, publicKeyBase64, type SecretKey, sign } from '@landfall/minisign';
import { addDeltas } from './deltas.ts';

/** Path → content. A path that ends in `/` is an empty folder. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

export interface ReleaseSpec {
  version: string;
  /** The web UI's files, or a folder; none: the release has no component `web-ui`. */
  webUi?: Files | string;
  /** Components of kind `file`: name → the file to ship, for this machine's platform. */
  files?: Readonly<Record<string, string>>;
  /** Releases that deltas lead from. */
  deltasFrom?: readonly Release[];
  /** The last word on the manifest before it is signed. */
  change?: (manifest: Manifest) => void;
  /** A hand-made archive that is shipped as the web UI, in place of what would be packed. */
  archive?: Uint8Array;
}

export interface Release {
  manifest: Manifest;
  /** The signed bytes. */
  bytes: Uint8Array;
  signature: string;
  /** Holds the artifacts. */
  folder: string;
  /** What the deployment is called on a node of this platform; empty when it has nothing for it. */
  deploymentId: string;
}

export interface FactoryOptions {
  app?: string;
  channel?: string;
  /** Signs; a fresh key unless given. */
  key?: SecretKey;
}

/** A maintainer's workbench in `folder`. */
export class ReleaseFactory {
  readonly app: string;
  readonly channel: string;
  readonly key: SecretKey;
  readonly #folder: string;
  #previous: Manifest['previous'] = null;

  constructor(folder: string, options: FactoryOptions = {}) {
    this.#folder = folder;
    this.app = options.app ?? 'archipelago';
    this.channel = options.channel ?? 'stable';
    this.key = options.key ?? generateKeyPair();
  }

  /** The key to trust, as one line. */
  get publicKey(): string {
    return publicKeyBase64(this.key.publicKey);
  }

  /** Packs, signs, and counts on. Nothing is published yet. */
  async make(spec: ReleaseSpec): Promise<Release> {
    const sequence = (this.#previous?.sequence ?? 0) + 1;
    const folder = join(this.#folder, `${sequence}-${spec.version}`);
    mkdirSync(folder, { recursive: true });
    const components: Manifest['components'] = [];
    if (spec.webUi !== undefined) components.push(await this.#packWebUi(spec, folder));
    for (const [name, file] of Object.entries(spec.files ?? {})) {
      components.push(await packBinary(name, file, spec.version, folder));
    }
    const now = Date.now();
    const manifest: Manifest = {
      schema: 1,
      app: this.app,
      channel: this.channel,
      version: spec.version,
      sequence,
      published: toTimestamp(now - 60_000),
      expires: toTimestamp(now + 90 * 86_400_000),
      previous: this.#previous,
      commit: '',
      notes: '',
      components,
      requires: {},
      rollout: { steps: [] },
      withdrawn: [],
    };
    for (const old of spec.deltasFrom ?? []) await addDeltas({ manifest, folder }, old);
    spec.change?.(manifest);
    return this.sign(manifest, folder);
  }

  /** Signs `manifest` as it is, and counts on from it. */
  sign(manifest: Manifest, folder: string): Release {
    const bytes = serializeManifest(manifest);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    this.#previous = { sequence: manifest.sequence, sha256 };
    const signature = sign(this.key, bytes, { trustedComment: `sequence ${manifest.sequence}` });
    const id = idOnThisPlatform(manifest);
    return { manifest: parseManifest(bytes), bytes, signature, folder, deploymentId: id };
  }

  async #packWebUi(spec: ReleaseSpec, folder: string): Promise<Manifest['components'][number]> {
    const source = typeof spec.webUi === 'string' ? spec.webUi : join(folder, 'web-ui');
    if (typeof spec.webUi === 'object') writeFiles(source, spec.webUi);
    const file = artifactFileName({
      component: 'web-ui',
      kind: 'tree',
      version: spec.version,
      platform: 'any',
      compression: 'zstd',
    });
    const path = join(folder, file);
    const plan = planTree({ parts: [{ from: source, at: '' }] });
    let packed = await packTree(plan, path, { mtime: 1_700_000_000, compression: 'zstd' });
    if (spec.archive !== undefined) {
      writeFileSync(path, spec.archive);
      const sha256 = createHash('sha256').update(spec.archive).digest('hex');
      const { tree } = packed;
      packed = { tree, size: spec.archive.length, sha256 };
    }
    const { size, sha256, tree } = packed;
    const frames = packed.frames?.map((frame) => ({ ...frame }));
    const signed = { size, sha256, ...(frames === undefined ? {} : { frames }) };
    return {
      name: 'web-ui',
      kind: 'tree',
      artifacts: [{ platform: 'any', file, ...signed, tree: { ...tree }, deltas: [] }],
    };
  }
}

/** An empty folder that is a mirror; `path` is made. */
export function makeMirror(path: string): string {
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'landfall-mirror.json'), '{"schema":1}\n');
  return path;
}

/** Lays `release` out on a mirror's folder: artifacts first, then the index. */
export function publish(
  release: Release,
  mirror: string,
  options: { channel?: string } = {},
): void {
  const { manifest } = release;
  const downloads = join(mirror, 'releases/download', releaseTag(manifest.version));
  mkdirSync(downloads, { recursive: true });
  for (const { file } of artifactFiles(manifest)) {
    copyFileSync(join(release.folder, file), join(downloads, file));
  }
  const index = join(mirror, indexPath(options.channel));
  mkdirSync(dirname(index), { recursive: true });
  writeFileSync(index, release.bytes);
  writeFileSync(signaturePath(index), release.signature);
}

/** Writes `files` below `folder`, in place of what was there. */
export function writeFiles(folder: string, files: Files): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [path, content] of Object.entries(files)) {
    const to = join(folder, path);
    mkdirSync(path.endsWith('/') ? to : dirname(to), { recursive: true });
    if (!path.endsWith('/')) writeFileSync(to, content);
  }
}

/** A web UI that names its version: a page, and assets that it refers to and some that it does not. */
export function exampleWebUi(version: string): Record<string, string> {
  return {
    'index.html': `<!doctype html><title>${version}</title><script src="/assets/app.js"></script><link rel="stylesheet" href="assets/app.css"><p>version ${version}</p>\n`,
    'assets/app.js': `console.log(${JSON.stringify(version)});\n`,
    'assets/app.css': `body::after { content: '${version}'; }\n`,
    'assets/icons/one.svg': `<svg><!-- one ${version} --></svg>\n`,
    'assets/icons/two words.svg': `<svg><!-- two ${version} --></svg>\n`,
    'about/index.html': `<p>about ${version}</p>\n`,
  };
}

async function packBinary(
  name: string,
  source: string,
  version: string,
  folder: string,
): Promise<Manifest['components'][number]> {
  const platform = hostPlatform();
  const file = artifactFileName({
    component: name,
    kind: 'file',
    version,
    platform,
    compression: 'zstd',
  });
  const packed = await packFile(source, join(folder, file), { compression: 'zstd' });
  const mode = (statSync(source).mode & 0o111) === 0 ? 0o644 : 0o755;
  const { size, sha256, contentSha256, contentSize } = packed;
  return {
    name,
    kind: 'file',
    artifacts: [{ platform, file, size, sha256, mode, contentSha256, contentSize, deltas: [] }],
  };
}

function idOnThisPlatform(manifest: Manifest): string {
  try {
    const digest = contentDigest(selectArtifacts(manifest, hostPlatform()));
    return deploymentId(manifest.version, digest);
  } catch (error) {
    if (error instanceof ManifestError) return '';
    throw error;
  }
}

function toTimestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
