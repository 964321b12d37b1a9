/** Names of channels, platforms, components and files, and where they stand on a mirror. */
import type { Artifact, Manifest, Platform } from './manifest.ts';

/** `a-z`, digits, single dots and dashes, starting with a letter or digit; at most 64. */
export function isSlug(text: string): boolean {
  return /^[a-z0-9][a-z0-9.-]{0,63}$/.test(text) && !text.includes('..');
}

/** A slug: it is the name of a folder on the index branch (`indexPath`). */
export function isChannelName(text: string): boolean {
  return isSlug(text);
}

/** A name that stays in its folder on every file system and in every URL. */
export function isFileName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._+-]{0,199}$/.test(text) && !text.includes('..');
}

/** `any`, or two words with a dash between; whether there is such a machine is not asked. */
export function isPlatform(text: string): boolean {
  return /^(any|[a-z0-9]+-[a-z0-9]+)$/.test(text);
}

/** This machine's platform, as Node names it: `linux-x64`, `linux-arm64`. */
export function hostPlatform(): Platform {
  return `${process.platform}-${process.arch}`;
}

/**
 * Where a channel's manifest stands on the index branch:
 * `releases/manifest.json` for the default channel (undefined), else
 * `releases/<channel>/manifest.json`.
 */
export function indexPath(channel: string | undefined): string {
  return channel === undefined ? 'releases/manifest.json' : `releases/${channel}/manifest.json`;
}

/**
 * Where a signature of the manifest at `path` stands: `<path>.minisig` for
 * the first key, `<path>.<KEYID>.minisig` for each further one (key id in
 * upper-case hex, as minisign prints it).
 */
export function signaturePath(path: string, keyId?: string): string {
  return keyId === undefined ? `${path}.minisig` : `${path}.${keyId}.minisig`;
}

/**
 * Where it is told how a version's artifacts were built, on the index branch. A
 * version has one set of artifacts, so it is one file for all channels, and stays.
 */
export function provenancePath(version: string): string {
  return `provenance/${version}.json`;
}

/** The tag and release name that a version's artifacts hang on: `v1.7.41-alpha`. */
export function releaseTag(version: string): string {
  return `v${version}`;
}

/** `web-ui-1.7.41-alpha.tar.zst`; `archipelago-1.7.41-alpha-linux-x64.zst`. */
export function artifactFileName(options: {
  component: string;
  kind: 'tree' | 'file';
  version: string;
  platform: Platform;
  compression: 'zstd' | 'gzip';
}): string {
  const platform = options.platform === 'any' ? '' : `-${options.platform}`;
  const ending = options.compression === 'zstd' ? 'zst' : 'gz';
  const tar = options.kind === 'tree' ? '.tar' : '';
  return `${options.component}-${options.version}${platform}${tar}.${ending}`;
}

/**
 * `web-ui-1.7.41-alpha.from-1.7.40-alpha.delta`: leads from one version to another. Undefined where that
 * is longer than a file's name may be.
 */
export function deltaFileName(options: {
  component: string;
  version: string;
  from: string;
  platform: Platform;
}): string | undefined {
  const { component, version, from } = options;
  const platform = options.platform === 'any' ? '' : `-${options.platform}`;
  const name = `${component}-${version}${platform}.from-${from}.delta`;
  return isFileName(name) ? name : undefined;
}

/** Every artifact of a release, in the manifest's order. */
export function artifactsOf(manifest: Pick<Manifest, 'components'>): Artifact[] {
  return manifest.components.flatMap((component): Artifact[] => component.artifacts);
}
