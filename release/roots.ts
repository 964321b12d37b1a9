/**
 * The folder of root documents (`keys.root`): `root-<N>.json` from 1 on, each
 * with its signatures beside it, committed with the source. It says who may
 * sign releases, to maintainers as to nodes.
 *
 * Invariant: every version but the newest is signed by enough; a newest one
 * that is not yet waits, and until then the one before it counts. A version
 * that was signed is never changed. Reading changes nothing.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { MAX_ROOT_BYTES } from '@landfall/manifest';
import type { PublicKey } from '@landfall/minisign';
import {
  parseRoot,
  type RootDocument,
  rootPath,
  rootPolicy,
  type TrustPolicy,
  type VerifiedRoot,
  verifyFirstRoot,
  verifyNextRoot,
} from '@landfall/trust';
import { collectSignatures, hasSigned } from './collect.ts';
import { ReleaseError } from './errors.ts';
import { readSmallFile } from './files.ts';

/** A version of the chain that enough have signed. */
export interface RootStep extends VerifiedRoot {
  /** Path on the index branch → bytes: signatures first, then the document. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** Signatures that a root document still lacks. */
export interface WaitingRoot {
  readonly root: RootDocument;
  readonly path: string;
  /** One for each set of keys that must sign: those of the version before, and its own. */
  readonly roles: readonly RoleCount[];
  readonly ignored: readonly string[];
}

/** Who of one set of keys has signed, and who still may. */
export interface RoleCount {
  /** `root keys of version 1`. */
  readonly whose: string;
  readonly threshold: number;
  readonly signers: readonly PublicKey[];
  readonly missing: readonly PublicKey[];
}

/** The folder's documents that count, each verified by the one before, and the one that waits. */
export interface RootChain {
  /** In order, from the first. */
  readonly steps: readonly RootStep[];
  /** The newest document, while it lacks signatures. */
  readonly waiting?: WaitingRoot;
}

/** `trust/root-2.json` of the folder `trust`. */
export function rootFile(folder: string, version: number): string {
  return join(folder, nameOf(version));
}

/**
 * Reads and verifies the chain. Empty where the folder is not there. Throws
 * `ReleaseError` DAMAGED, `ManifestError`, `TrustError`.
 */
export function readRoots(folder: string, app: string): RootChain {
  const newest = newestIn(folder);
  const steps: RootStep[] = [];
  for (let version = 1; version <= newest; version += 1) {
    const path = rootFile(folder, version);
    const bytes = readSmallFile(path, MAX_ROOT_BYTES);
    if (bytes === undefined) throw missing(path, newest);
    const root = parseRoot(bytes);
    requireName(path, version, root);
    const before = steps.at(-1);
    const policies = policiesOf(root, before?.root);
    const keys = policies.flatMap(({ policy }) => policy.keys);
    const collected = collectSignatures(path, bytes, { keys, threshold: 1 });
    const roles = policies.map(({ whose, policy }) => ({
      whose,
      threshold: policy.threshold,
      signers: policy.keys.filter((key) => hasSigned(collected.signers, key)),
      missing: policy.keys.filter((key) => !hasSigned(collected.signers, key)),
    }));
    if (version === newest && roles.some(({ signers, threshold }) => signers.length < threshold)) {
      return { steps, waiting: { root, path, roles, ignored: collected.ignored } };
    }
    const texts = [...collected.signatures.values()];
    const verified =
      before === undefined
        ? verifyFirstRoot(bytes, texts, { app })
        : verifyNextRoot(before, bytes, texts);
    steps.push({ ...verified, files: filesOf(verified, collected.signatures) });
  }
  return { steps };
}

/** Whose signatures a document needs: enough of each. */
export function policiesOf(
  root: RootDocument,
  before: RootDocument | undefined,
): { whose: string; policy: TrustPolicy }[] {
  const own = { whose: `root keys of version ${root.version}`, policy: rootPolicy(root) };
  if (before === undefined) return [own];
  return [{ whose: `root keys of version ${before.version}`, policy: rootPolicy(before) }, own];
}

/** Every file that mirrors get, documents after their signatures, versions in order. */
export function rootFilesOf(steps: readonly RootStep[]): Map<string, Uint8Array> {
  return new Map(steps.flatMap(({ files }) => [...files]));
}

/** The trusted comment of a root document's signatures. */
export function rootComment({ app, version }: RootDocument): string {
  return `app=${app} root=${version}`;
}

function nameOf(version: number): string {
  return rootPath(version).replace(/^.*\//, '');
}

function filesOf(
  { root, bytes }: VerifiedRoot,
  signatures: ReadonlyMap<string, string>,
): Map<string, Uint8Array> {
  const path = rootPath(root.version);
  const files = new Map<string, Uint8Array>();
  for (const [ending, text] of signatures) {
    files.set(`${path}${ending}`, new TextEncoder().encode(text));
  }
  return files.set(path, bytes);
}

/** The highest version that has a file; 0 for none. */
function newestIn(folder: string): number {
  if (!existsSync(folder)) return 0;
  const versions = readdirSync(folder).map((name) => Number(/^root-(\d+)\.json$/.exec(name)?.[1]));
  return Math.max(0, ...versions.filter(Number.isSafeInteger));
}

function missing(path: string, newest: number): ReleaseError {
  return new ReleaseError(
    'DAMAGED',
    `'${path}' is missing: expected every root document up to version ${newest}`,
    { hint: 'take it from the history of your repository, or from trust/ on a mirror' },
  );
}

/** A document under another version's name would be published in its place. */
function requireName(path: string, version: number, root: RootDocument): void {
  if (root.version === version) return;
  throw new ReleaseError(
    'DAMAGED',
    `'${path}' is another version: expected ${version}, found ${root.version}`,
    { hint: `name it 'root-${root.version}.json'` },
  );
}
