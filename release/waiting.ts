/**
 * What is said while a document waits for signatures: who signed, who still
 * may, and how. Pure.
 */
import type { Manifest } from '@landfall/manifest';
import { formatKeyId, type PublicKey } from '@landfall/minisign';

/** A manifest that fewer signed than must. */
export interface Waiting {
  readonly manifest: Manifest;
  /** Where it stands, with the signatures that are there beside it. */
  readonly path: string;
  readonly threshold: number;
  readonly signers: readonly PublicKey[];
  /** Those of whom any may sign. */
  readonly missing: readonly PublicKey[];
  /** Names of signature files that count nothing. */
  readonly ignored: readonly string[];
}

/** Whether signatures are missing: of what signing comes to, only `Waiting` has a `missing`. */
export function isWaiting(outcome: Waiting | object): outcome is Waiting {
  return 'missing' in outcome;
}

/** The trusted comment of a manifest's signatures. */
export function commentOf({ app, channel, version, sequence }: Manifest): string {
  return `app=${app} channel=${channel} version=${version} sequence=${sequence}`;
}

/** `waits for 1 more signature, 1 of 2 are there`. */
export function describeCount({
  threshold,
  signers,
}: Pick<Waiting, 'threshold' | 'signers'>): string {
  const more = threshold - signers.length;
  return `waits for ${more} more signature${more === 1 ? '' : 's'}, ${signers.length} of ${threshold} ${threshold === 1 ? 'is' : 'are'} there`;
}

/** The same for `--json`. */
export function reportWaiting({
  path,
  threshold,
  signers,
  missing,
  ignored,
}: Omit<Waiting, 'manifest'>): {
  path: string;
  threshold: number;
  signers: string[];
  missing: string[];
  ignored: readonly string[];
} {
  return { path, threshold, signers: signers.map(idOf), missing: missing.map(idOf), ignored };
}

/**
 * What is to be done now, line by line: who signed, who still may, with which
 * command, and `next`, which goes on.
 */
export function describeWaiting(waiting: Omit<Waiting, 'manifest'>, next: string): string[] {
  const { path, signers, missing, ignored } = waiting;
  const name = path.slice(path.lastIndexOf('/') + 1);
  return [
    `signed by:      ${signers.length === 0 ? 'nobody yet' : signers.map(idOf).join(', ')}`,
    `may still sign: ${missing.map(idOf).join(', ')}`,
    ...ignored.map((file) => `'${file}' does not count: by another key, or over other bytes`),
    '',
    `1. send one of them: ${path}`,
    `2. they run:         release sign ${name} --key FILE`,
    `3. what comes back, ${name}.<KEYID>.minisig, goes beside it`,
    `4. then:             ${next}`,
  ];
}

function idOf(key: PublicKey): string {
  return formatKeyId(key.keyId);
}
