/**
 * What mirrors served of their index, with the tags that they gave it, so that
 * a look at a mirror with nothing new costs one question and no answer's
 * body (RFC 9110, section 13.1.2). Nobody is believed for it: what is
 * remembered is as unverified as what was served, and goes the same way again.
 * A mirror that says "unchanged" can do what one that sends old bytes can.
 *
 * - The index's head is asked for first. While it tells of every file that is
 *   remembered just what is remembered, none of them is asked for; when it is
 *   wrong about one it counts for none. One that is not there, cannot be read or
 *   is odd is done without for an hour.
 * - Else a file is asked for with its tag, unless the head tells of another one, and
 *   once in a look. Who asks again has a reason (what came was not signed well, or
 *   others sign now) and gets it anew.
 * - Signatures of a file that is unchanged are those that stood beside it.
 * - Once a day everything is asked for anew: web servers make tags of time and
 *   size, which two files may share, and a head may be older than the index.
 */
import { MirrorError } from './errors.ts';
import { HEAD_PATH, type Head, isCovered, MAX_HEAD_BYTES, parseHead, tells } from './head.ts';
import type { ReadLimits } from './mirror.ts';

/** A tag as RFC 9110 spells it, and short; no other is ever sent back. */
const TAG = /^(?:W\/)?"[\x21\x23-\x7e]{0,128}"$/;
const SIGNATURE = /^(.+\.json)(?:\.[0-9A-F]{1,16})?\.minisig$/;
/** For so long a mirror's word is taken that something is unchanged. */
const TRUST_MS = 86_400_000;
/** For so long a mirror without a head is not asked for one. */
const HEADLESS_MS = 3_600_000;
/** A hint is not waited for longer. */
const HEAD_LIMITS = { maxBytes: MAX_HEAD_BYTES, deadlineMs: 5000 };

/** A file of an index as a mirror served it. */
export interface RememberedFile {
  /** The mirror's address. */
  address: string;
  path: string;
  /** Unset: it was not there. */
  bytes?: Uint8Array | undefined;
  etag?: string | undefined;
  /** When it was sent, in milliseconds since 1970. */
  at: number;
}

/** What a mirror answers: the file, that it is not there, or that the one of the tag is still the one. */
export type Tagged = { bytes: Uint8Array; etag: string | undefined } | undefined | 'unchanged';

/** Asks a mirror for a file, with a tag or without; `limits` where they are not those of the read. */
type Ask = (
  path: string,
  etag: string | undefined,
  limits?: Pick<ReadLimits, 'maxBytes' | 'deadlineMs'>,
) => Promise<Tagged>;

/** Good for one look at the mirrors. */
export class IndexMemory {
  readonly #files: Map<string, RememberedFile>;
  /** Files that were asked for, and whether they are unchanged. */
  readonly #asked = new Map<string, boolean | Promise<boolean>>();
  /** Mirrors whose head was asked for, and what it tells. */
  readonly #heads = new Map<string, Promise<{ head?: Head; isAll: boolean }>>();
  readonly #now: number;
  #isNew = false;

  constructor(known: readonly RememberedFile[], now = Date.now()) {
    this.#files = new Map(known.map((file) => [keyOf(file.address, file.path), file]));
    this.#now = now;
  }

  /** All that is to be remembered of mirrors at `addresses`; undefined when that is known already. */
  toKeep(addresses: readonly string[]): RememberedFile[] | undefined {
    if (!this.#isNew) return undefined;
    return [...this.#files.values()].filter(({ address }) => addresses.includes(address));
  }

  /** The file at `path` of the index at `address`; undefined when it is not there. Throws what `ask` throws. */
  async read(address: string, path: string, ask: Ask): Promise<Uint8Array | undefined> {
    const key = keyOf(address, path);
    const isAskedAgain = this.#asked.has(key);
    const subject = SIGNATURE.exec(path)?.[1];
    const known = this.#files.get(key);
    if (subject !== undefined) {
      const isUnchanged = await this.#asked.get(keyOf(address, subject));
      this.#asked.set(key, false);
      if (isUnchanged === true && known !== undefined && !isAskedAgain) return known.bytes;
      return this.#note(address, path, await ask(path, undefined));
    }
    const isKnown = !isAskedAgain && known !== undefined && this.#isRecent(known);
    const answer = isKnown ? this.#askKnown(known, ask) : ask(path, undefined);
    // Some servers send what is unchanged all the same.
    const isUnchanged = answer.then((given) => isSame(known, given)).catch(() => false);
    this.#asked.set(key, isKnown ? isUnchanged : false);
    return this.#note(address, path, await answer);
  }

  async #askKnown({ address, path, bytes, etag }: RememberedFile, ask: Ask): Promise<Tagged> {
    if (!isCovered(path)) return ask(path, etag);
    // Both files of a channel are read at once, and share the answer.
    const begun = this.#heads.get(address) ?? this.#askHead(address, ask);
    this.#heads.set(address, begun);
    const { head, isAll } = await begun;
    if (isAll) return 'unchanged';
    // Where it tells of another file, a tag may be that of both.
    return ask(path, head === undefined || tells(head, path, bytes) ? etag : undefined);
  }

  /** The mirror's head, and whether it tells just what is remembered of it. */
  async #askHead(address: string, ask: Ask): Promise<{ head?: Head; isAll: boolean }> {
    const known = this.#files.get(keyOf(address, HEAD_PATH));
    const isKnown = known !== undefined && this.#isRecent(known);
    if (isKnown && known.bytes === undefined) return { isAll: false };
    let given: Tagged;
    try {
      given = await ask(HEAD_PATH, isKnown ? known.etag : undefined, HEAD_LIMITS);
    } catch (error) {
      // What a mirror that is down has is not known; one that sends something else has none.
      if (error instanceof MirrorError && error.code === 'UNREACHABLE') return { isAll: false };
    }
    const bytes = given === 'unchanged' ? known?.bytes : given?.bytes;
    const head = bytes && parseHead(bytes);
    this.#note(address, HEAD_PATH, head && given);
    return head === undefined ? { isAll: false } : { head, isAll: this.#tellsAll(address, head) };
  }

  #tellsAll(address: string, head: Head): boolean {
    return [...this.#files.values()]
      .filter((file) => file.address === address && isCovered(file.path) && this.#isRecent(file))
      .every((file) => tells(head, file.path, file.bytes));
  }

  #isRecent({ path, bytes, at }: RememberedFile): boolean {
    const age = this.#now - at;
    return age >= 0 && age < (path === HEAD_PATH && bytes === undefined ? HEADLESS_MS : TRUST_MS);
  }

  #note(address: string, path: string, given: Tagged): Uint8Array | undefined {
    const key = keyOf(address, path);
    const known = this.#files.get(key);
    if (given === 'unchanged') return known?.bytes;
    const etag = given?.etag !== undefined && TAG.test(given.etag) ? given.etag : undefined;
    const isKnown = isSame(known, given);
    if (isKnown && known?.etag === etag && this.#isRecent(known)) return known.bytes;
    // What stood beside another file says nothing of this one.
    if (!isKnown) this.#forgetSignatures(address, path);
    this.#files.set(key, { address, path, bytes: given?.bytes, etag, at: this.#now });
    this.#isNew = true;
    return given?.bytes;
  }

  #forgetSignatures(address: string, subject: string): void {
    for (const [key, file] of this.#files) {
      const isBeside = SIGNATURE.exec(file.path)?.[1] === subject && file.address === address;
      // Those of this look were read with it.
      if (isBeside && file.at !== this.#now) this.#files.delete(key);
    }
  }
}

function keyOf(address: string, path: string): string {
  return `${address} ${path}`;
}

function isSame(known: RememberedFile | undefined, given: Tagged): known is RememberedFile {
  if (known === undefined || given === 'unchanged') return known !== undefined;
  if (known.bytes === undefined || given === undefined) return known.bytes === given?.bytes;
  return Buffer.compare(known.bytes, given.bytes) === 0;
}
