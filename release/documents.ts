/**
 * Documents that people sign: what a file is, what it says, and who may sign
 * it. Only canonical bytes are taken, and only fields that are known here, so that what
 * is shown is all there is in what gets signed. Changes nothing.
 */
import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { plainLine } from '@landfall/errors';
import {
  type Manifest,
  MAX_MANIFEST_BYTES,
  MAX_ROOT_BYTES,
  parseHalt,
  parseManifest,
  serializeHalt,
  serializeManifest,
  unknownFields,
  unknownHaltFields,
  unknownRootFields,
} from '@landfall/manifest';
import { formatKeyId, parsePublicKey } from '@landfall/minisign';
import { parseRoot, type RootDocument, serializeRoot, type TrustPolicy } from '@landfall/trust';
import type { Settings } from './config.ts';
import { describeManifest } from './describe-manifest.ts';
import { ReleaseError } from './errors.ts';
import { readSmallFile } from './files.ts';
import { haltComment } from './halt-drafts.ts';
import { ROOT_DOCUMENT, whereKeysAre } from './keys.ts';
import { policyOf } from './load-config.ts';
import { policiesOf, rootComment, rootFile } from './roots.ts';
import { commentOf } from './waiting.ts';

/** A set of keys of which enough must sign. */
export interface Role {
  readonly whose: string;
  readonly policy: TrustPolicy;
}

/** A document to be signed. */
export interface Signable {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** SHA-256 of `bytes`, in hex. */
  readonly sha256: string;
  /** What it is, in a few words. */
  readonly title: string;
  /** What it is parsed, where it is a manifest. */
  readonly manifest?: Manifest;
  /** What signing it does, line by line. */
  readonly says: readonly string[];
  /** The trusted comment of its signatures. */
  readonly comment: string;
  /** Who may sign it; undefined where nothing here tells. */
  readonly roles: readonly Role[] | undefined;
  /** What says so, for messages. */
  readonly where: string;
}

/**
 * Reads the document at `path`, or the manifest in that folder. Throws
 * `ReleaseError` NOT_SIGNABLE, `ManifestError`, `TrustError` WRONG_CHANNEL.
 */
export function readSignable(path: string, settings: Settings | undefined): Signable {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const file = isFolder ? join(path, 'manifest.json') : path;
  if (!existsSync(file)) {
    throw notSignable(file, 'there is no such file', 'give the path of what you were sent');
  }
  const bytes = Uint8Array.from(readSmallFile(file, MAX_MANIFEST_BYTES) ?? []);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const common = { path: file, bytes, sha256 };
  const app = settings?.app;
  const kind = kindOf(bytes);
  if (kind === 'root') return { ...common, ...aboutRoot(file, bytes, app) };
  if (kind === 'halt') return { ...common, ...aboutHalt(file, bytes, settings) };
  return { ...common, ...aboutManifest(file, bytes, settings) };
}

type About = Omit<Signable, 'path' | 'bytes' | 'sha256'>;

function aboutManifest(file: string, bytes: Uint8Array, settings: Settings | undefined): About {
  const manifest = parseManifest(bytes);
  requireCanonical(file, bytes, serializeManifest(manifest));
  const { app, version, channel, sequence } = manifest;
  requireApp(file, app, settings?.app);
  requireKnown(file, unknownFields(manifest));
  return {
    manifest,
    title: `manifest of ${app} ${version} (channel ${channel}, sequence ${sequence})`,
    says: describeManifest(manifest),
    comment: commentOf(manifest),
    ...signersOf(channel, settings),
  };
}

/** The version before it is looked for beside it: its root keys must sign as well. */
function aboutRoot(file: string, bytes: Uint8Array, expectedApp: string | undefined): About {
  const root = parseRoot(bytes);
  requireCanonical(file, bytes, serializeRoot(root));
  requireApp(file, root.app, expectedApp);
  requireKnown(file, unknownRootFields(root));
  const before = readSmallFile(rootFile(dirname(file), root.version - 1), MAX_ROOT_BYTES);
  return {
    title: `root document ${root.version} of ${root.app}`,
    says: describeRoot(root),
    comment: rootComment(root),
    roles: policiesOf(root, before === undefined ? undefined : parseRoot(before)),
    where: ROOT_DOCUMENT,
  };
}

function aboutHalt(file: string, bytes: Uint8Array, settings: Settings | undefined): About {
  const halt = parseHalt(bytes);
  requireCanonical(file, bytes, serializeHalt(halt));
  const { app, channel, serial, published, halted } = halt;
  requireApp(file, app, settings?.app);
  requireKnown(file, unknownHaltFields(halt));
  return {
    title: `halt file ${serial} of ${app} (channel ${channel})`,
    says: [
      `published: ${published}`,
      ...(halted.length === 0 ? ['halted:    none, what was halted goes on'] : []),
      ...halted.map(({ version, reason, at }) => `halted:    ${version}: ${reason} (since ${at})`),
    ],
    comment: haltComment(halt),
    ...signersOf(channel, settings),
  };
}

/** Who may sign for a channel. */
function signersOf(
  channel: string,
  settings: Settings | undefined,
): Pick<Signable, 'roles' | 'where'> {
  if (settings === undefined) return { roles: undefined, where: '' };
  const policy = policyOf(settings, channel);
  return {
    roles: [{ whose: `keys of channel ${channel}`, policy }],
    where: whereKeysAre(settings),
  };
}

/** What bytes say they are; a manifest says nothing. */
function kindOf(bytes: Uint8Array): unknown {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString());
    return typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
  } catch {
    return undefined;
  }
}

/** Throws `ReleaseError` NOT_SIGNABLE for bytes that are not those we would have written. */
function requireCanonical(path: string, bytes: Uint8Array, canonical: Uint8Array): void {
  if (Buffer.from(bytes).equals(canonical)) return;
  throw notSignable(
    path,
    'it is not written the way release writes it',
    'sign the file as it was made; an editor or a mail program may have changed it',
  );
}

/** Throws `ReleaseError` NOT_SIGNABLE for what this edition cannot show. */
function requireKnown(path: string, fields: readonly string[]): void {
  if (fields.length === 0) return;
  const unknown = fields.map((each) => `'${plainLine(each).slice(0, 100)}'`);
  const more = unknown.length > 3 ? ` and ${unknown.length - 3} more` : '';
  throw notSignable(
    path,
    `it says what is not known here, and nodes may act on: ${unknown.slice(0, 3).join(', ')}${more}`,
    'sign it with the edition of release that made it; if that is this one, ask who wrote it',
  );
}

function requireApp(path: string, found: string, expected: string | undefined): void {
  if (expected === undefined || found === expected) return;
  throw notSignable(
    path,
    `it is of another app: expected '${expected}', found '${found}'`,
    'run it in the project it belongs to, or outside of any',
  );
}

function notSignable(path: string, why: string, hint: string): ReleaseError {
  return new ReleaseError('NOT_SIGNABLE', `'${path}' cannot be signed: ${why}`, { hint });
}

/** What a root document says, line by line: who may replace it, who may sign what. */
export function describeRoot(root: RootDocument): string[] {
  const { published, expires, reason, channels, floors = [] } = root;
  return [
    `published: ${published}, expires ${expires}`,
    `reason:    ${reason === '' ? 'none given' : reason}`,
    `root:      ${describeKeys(root.root)}`,
    ...channels.map(
      (each) =>
        `channel:   ${each.channel}${each.channel === root.channel ? ' (default)' : ''}, ${describeKeys(each)}`,
    ),
    ...floors.map(
      ({ channel, sequence, sha256 }) =>
        `floor:     ${channel} goes on after sequence ${sequence}, sha256 ${sha256}`,
    ),
  ];
}

function describeKeys({ keys, threshold }: { keys: readonly string[]; threshold: number }): string {
  const ids = keys.map((text) => formatKeyId(parsePublicKey(text).keyId));
  return `${threshold} of ${ids.join(', ')}`;
}
