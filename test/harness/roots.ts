/** Root documents with real signatures: chains as maintainers would make them, and steps as they must not. */
import { signaturePath } from '@landfall/manifest';
import { formatKeyId, publicKeyBase64, sign, type SecretKey } from '@landfall/minisign';
import { rootPath, serializeRoot, type RootDocument } from '@landfall/trust';

/** Who holds what in a version of a test's root document. */
export interface RootHolders {
  root: readonly SecretKey[];
  rootThreshold?: number;
  /** Release keys of the one channel. */
  release: readonly SecretKey[];
  releaseThreshold?: number;
}

/** A document with its signatures, as `.minisig` texts in the order of the signers. */
export interface SignedRoot {
  root: RootDocument;
  bytes: Uint8Array;
  signatures: string[];
  signers: readonly SecretKey[];
}

/** Version `version` of the root document of `archipelago`, whose default channel is `alpha`. */
export function rootOf(
  version: number,
  holders: RootHolders,
  changes: Partial<RootDocument> = {},
): RootDocument {
  const keys = (list: readonly SecretKey[]): string[] =>
    list.map((key) => publicKeyBase64(key.publicKey));
  return {
    schema: 1,
    kind: 'root',
    app: 'archipelago',
    version,
    published: '2026-04-01T00:00:00Z',
    expires: '2099-01-01T00:00:00Z',
    channel: 'alpha',
    root: { keys: keys(holders.root), threshold: holders.rootThreshold ?? 1 },
    channels: [
      {
        channel: 'alpha',
        keys: keys(holders.release),
        threshold: holders.releaseThreshold ?? 1,
      },
    ],
    reason: `version ${version} of a test`,
    ...changes,
  };
}

/** The document's bytes with one signature by each of `signers`. */
export function signRoot(root: RootDocument, signers: readonly SecretKey[]): SignedRoot {
  const bytes = serializeRoot(root);
  const comment = `root document ${root.version} of ${root.app}`;
  const signatures = signers.map((key) => sign(key, bytes, { trustedComment: comment }));
  return { root, bytes, signatures, signers };
}

/** The files of a document below a mirror or beside a pin: path → content, the first signer's under the plain name. */
export function rootFiles(
  { root, bytes, signatures, signers }: SignedRoot,
  path = rootPath(root.version),
): Map<string, string | Uint8Array> {
  const files = new Map<string, string | Uint8Array>([[path, bytes]]);
  for (const [index, key] of signers.entries()) {
    const keyId = index === 0 ? undefined : formatKeyId(key.keyId);
    files.set(signaturePath(path, keyId), signatures[index] ?? '');
  }
  return files;
}
