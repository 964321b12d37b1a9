/**
 * A root document as it travels: the very bytes, and every signature that
 * counts. Holding one means that it was verified; a signature by nobody who
 * matters does not travel.
 */
import { MAX_ROOT_BYTES, rootPath } from '@landfall/manifest';
import {
  parseRoot,
  rootPolicy,
  verifyFirstRoot,
  verifyNextRoot,
  type VerifiedRoot,
} from '@landfall/trust';
import { isSigned, type ReadIndexFile, readSignatures } from './signed-index.ts';

/** A root document with what stands beside it. */
export interface SignedRoot {
  verified: VerifiedRoot;
  /** Path on the index branch → bytes, signatures first: a crash between two files leaves none of it believed. */
  files: ReadonlyMap<string, Uint8Array>;
}

/**
 * The document at `path`, believed because a person chose it (a pin, or the
 * oldest of a folder). Undefined when there is none. Throws `ManifestError`,
 * `TrustError` WRONG_APP, UNTRUSTED.
 */
export async function gatherFirstRoot(
  path: string,
  app: string,
  read: ReadIndexFile,
): Promise<SignedRoot | undefined> {
  const unverified = await read(path, MAX_ROOT_BYTES);
  if (unverified === undefined) return undefined;
  const own = rootPolicy(parseRoot(unverified));
  const found = await readSignatures(path, unverified, own, read);
  const verified = verifyFirstRoot(unverified, [...found.values()], { app });
  return toSigned(verified, path, found);
}

/**
 * The document after `current`, from anywhere that `read` reaches. Undefined
 * when there is none. Not looked into before the root keys of `current` are
 * known to have signed it. Throws what `verifyNextRoot` throws.
 */
export async function gatherNextRoot(
  current: VerifiedRoot,
  read: ReadIndexFile,
): Promise<SignedRoot | undefined> {
  const path = rootPath(current.root.version + 1);
  const unverified = await read(path, MAX_ROOT_BYTES);
  if (unverified === undefined) return undefined;
  const old = rootPolicy(current.root);
  let found = await readSignatures(path, unverified, old, read);
  if (isSigned(unverified, [...found.values()], old)) {
    const own = rootPolicy(parseRoot(unverified));
    found = await readSignatures(path, unverified, own, read, found);
  }
  const verified = verifyNextRoot(current, unverified, [...found.values()]);
  return toSigned(verified, path, found);
}

/** Under the names of the index branch, wherever it was read. */
function toSigned(
  verified: VerifiedRoot,
  path: string,
  found: ReadonlyMap<string, Uint8Array>,
): SignedRoot {
  const to = rootPath(verified.root.version);
  const files = new Map(
    [...found].map(([name, text]) => [`${to}${name.slice(path.length)}`, text]),
  );
  return { verified, files: files.set(to, verified.bytes) };
}
