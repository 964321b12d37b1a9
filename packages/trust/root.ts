/**
 * The root chain: who may say who may sign. A root document lists the keys of
 * each channel and the root keys that may replace the document itself. One
 * version follows another step by step; each step is signed by enough of the
 * old root keys and by enough of the new, so that neither old nor new keys
 * alone can take the chain over, and nobody ends up with keys that nobody holds.
 *
 * Order of a step, as in TUF 5.3 (https://theupdateframework.github.io/specification/latest/):
 * signatures of the old keys over the exact bytes, then parsing, then app and
 * version, then the signatures of the new keys. An expired step is a step all
 * the same; only the last one must not be expired (`checkRootExpiry`).
 *
 * Nothing here keeps anything: whoever walks the chain keeps each step.
 */
import { createHash } from 'node:crypto';
import {
  ManifestError,
  parseRootDocument,
  serializeRootDocument,
  type RootDocument,
} from '@landfall/manifest';
import { formatKeyId, parsePublicKey } from '@landfall/minisign';
import { TrustError } from './errors.ts';
import { distinctKeys, type TrustPolicy } from './policy.ts';
import { verifySignatures } from './signatures.ts';
import { checkSubject } from './subject.ts';

/** A root document whose signatures were verified, and the very bytes they are over. */
export interface VerifiedRoot {
  readonly root: RootDocument;
  readonly bytes: Uint8Array;
  /** SHA-256 of `bytes`, in hex. */
  readonly sha256: string;
  /** Ids of the root keys that signed: those of the version before first, then the document's own. */
  readonly signers: string[];
}

type Role = RootDocument['root'];

/**
 * Reads a root document, and checks that each of its roles has as many
 * different keys as it asks signatures of. Believes nothing: for that
 * `verifyFirstRoot` and `verifyNextRoot`. Throws `ManifestError` ROOT_INVALID, ROOT_SCHEMA.
 */
export function parseRoot(bytes: Uint8Array): RootDocument {
  return checkRoles(parseRootDocument(bytes));
}

/** The canonical bytes that are signed and published. Throws `ManifestError` ROOT_INVALID. */
export function serializeRoot(root: RootDocument): Uint8Array {
  return serializeRootDocument(checkRoles(root));
}

/**
 * The document that a chain begins with: signed by enough of its own root
 * keys. That alone makes nobody believe it: a person chose it (the pin). Of
 * any version. Throws `ManifestError`, `TrustError` WRONG_APP, UNTRUSTED.
 */
export function verifyFirstRoot(
  unverified: Uint8Array,
  signatureTexts: readonly (string | Uint8Array)[],
  expected: { app: string },
): VerifiedRoot {
  const bytes = Uint8Array.from(unverified);
  // Its keys are in it: this once the bytes are parsed before they are verified.
  const root = parseRoot(bytes);
  checkSubject('root document', root, { app: expected.app });
  return toVerified(root, bytes, signersOf(bytes, signatureTexts, rootPolicy(root), root.version));
}

/**
 * Takes one step, from `current` to the version after it:
 *
 * 1. enough of the root keys of `current` signed exactly these bytes,
 * 2. the bytes are a root document of a schema we know,
 * 3. it is of the same app,
 * 4. its version is exactly one more,
 * 5. enough of its own root keys signed it too.
 *
 * Throws `TrustError` UNTRUSTED (1, 5), `ManifestError` (2), `TrustError`
 * WRONG_APP (3), ROOT_STEP (4).
 */
export function verifyNextRoot(
  current: VerifiedRoot,
  unverified: Uint8Array,
  signatureTexts: readonly (string | Uint8Array)[],
): VerifiedRoot {
  const bytes = Uint8Array.from(unverified);
  const next = current.root.version + 1;
  // 1.
  const old = signersOf(bytes, signatureTexts, rootPolicy(current.root), next, current.root);
  // 2.
  const root = parseRoot(bytes);
  // 3.
  checkSubject('root document', root, { app: current.root.app });
  // 4.
  if (root.version !== next) {
    throw new TrustError(
      'ROOT_STEP',
      `root document does not follow version ${current.root.version}: expected version ${next}, found ${root.version}`,
      {
        hint:
          root.version < next
            ? 'the mirror replays an old root document: use another, or repair it'
            : 'every version is taken in its turn: publish the steps between as well',
      },
    );
  }
  // 5.
  const own = signersOf(bytes, signatureTexts, rootPolicy(root), next);
  return toVerified(root, bytes, [...old, ...own]);
}

/** Throws `TrustError` EXPIRED when `now` is at or after the end of the newest known version. */
export function checkRootExpiry({ root }: VerifiedRoot, now: Date): void {
  if (now.getTime() < Date.parse(root.expires)) return;
  throw new TrustError(
    'EXPIRED',
    `root document ${root.version} has expired: expected a time before ${root.expires}, found ${now.toISOString()}`,
    {
      hint: "check this machine's clock; if it is right, the mirrors are stale or the maintainers must publish the next root document",
    },
  );
}

/** Who may replace the document. */
export function rootPolicy(root: RootDocument): TrustPolicy {
  return toPolicy(root.root);
}

/**
 * Who may sign manifests of `channel`; undefined for the default channel.
 * Throws `TrustError` WRONG_CHANNEL for one that is not listed: nobody may.
 */
export function policyFor(root: RootDocument, channel: string | undefined): TrustPolicy {
  const name = channel ?? root.channel;
  const listed = root.channels.find((each) => each.channel === name);
  if (listed !== undefined) return toPolicy(listed);
  const names = root.channels.map((each) => `'${each.channel}'`).join(', ');
  throw new TrustError(
    'WRONG_CHANNEL',
    `root document ${root.version} lets nobody sign channel '${name}': expected one of ${names}`,
    { hint: "check 'channel' in the configuration, or ask the maintainers to list the channel" },
  );
}

function toPolicy({ keys, threshold }: Role): TrustPolicy {
  return { keys: keys.map((text) => parsePublicKey(text)), threshold };
}

function checkRoles(root: RootDocument): RootDocument {
  const roles: [string, Role][] = [
    ['root', root.root],
    ...root.channels.map((each): [string, Role] => [`channel '${each.channel}'`, each]),
  ];
  for (const [name, role] of roles) {
    let different: number;
    try {
      different = distinctKeys({ ...toPolicy(role), threshold: 1 }).length;
    } catch (error) {
      throw new ManifestError(
        'ROOT_INVALID',
        `root document ${root.version}: ${name} lists a key that cannot be read`,
        { cause: error, hint: 'expected public keys as release keygen prints them (RW…)' },
      );
    }
    if (different === role.keys.length && role.threshold <= different) continue;
    throw new ManifestError(
      'ROOT_INVALID',
      different === role.keys.length
        ? `root document ${root.version}: ${name} asks for ${role.threshold} signatures and lists ${different} keys`
        : `root document ${root.version}: ${name} lists a key twice`,
    );
  }
  return root;
}

function signersOf(
  bytes: Uint8Array,
  signatureTexts: readonly (string | Uint8Array)[],
  policy: TrustPolicy,
  version: number,
  by?: RootDocument,
): string[] {
  try {
    const { signers } = verifySignatures(bytes, signatureTexts, policy);
    return signers.map((key) => formatKeyId(key.keyId));
  } catch (error) {
    if (!(error instanceof TrustError) || error.code !== 'UNTRUSTED') throw error;
    const whose = by === undefined ? 'its own root keys' : `the root keys of version ${by.version}`;
    throw new TrustError('UNTRUSTED', `root document ${version}: by ${whose}: ${error.message}`, {
      cause: error,
      hint: 'a step is signed by the old and by the new root keys: use another mirror, or ask the maintainers to sign what is missing',
    });
  }
}

function toVerified(root: RootDocument, bytes: Uint8Array, signers: string[]): VerifiedRoot {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { root, bytes, sha256, signers: [...new Set(signers)] };
}
