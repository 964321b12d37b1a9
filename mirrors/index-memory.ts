/**
 * What mirrors served of their index, with the tags that they gave it, so that
 * a look at a mirror with nothing new costs a question a file and no answer's
 * body (RFC 9110, section 13.1.2). Nobody is believed for it: what is
 * remembered is as unverified as what was served, and goes the same way again.
 * A mirror that says "unchanged" can do what one that sends old bytes can.
 *
 * - A file is asked for with its tag once in a look. Who asks again has a reason
 *   (what came was not signed well, or others sign now) and gets it anew.
 * - Signatures of a file that is unchanged are those that stood beside it.
 * - Once a day everything is asked for anew: web servers make tags of time and
 *   size, which two files may share.
 */

/** A tag as RFC 9110 spells it, and short; no other is ever sent back. */
const TAG = /^(?:W\/)?"[\x21\x23-\x7e]{0,128}"$/;
const SIGNATURE = /^(.+\.json)(?:\.[0-9A-F]{1,16})?\.minisig$/;
/** For so long a mirror's word is taken that something is unchanged. */
const TRUST_MS = 86_400_000;

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

/** Asks a mirror for a file, with a tag or without. */
type Ask = (etag: string | undefined) => Promise<Tagged>;

/** Good for one look at the mirrors. */
export class IndexMemory {
  readonly #files: Map<string, RememberedFile>;
  /** Files that were asked for, and whether they are unchanged. */
  readonly #asked = new Map<string, boolean | Promise<boolean>>();
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
      return this.#note(address, path, await ask(undefined));
    }
    const isKnown = !isAskedAgain && known !== undefined && this.#isRecent(known);
    const answer = ask(isKnown ? known.etag : undefined);
    // Some servers send what is unchanged all the same.
    const isUnchanged = answer.then((given) => isSame(known, given)).catch(() => false);
    this.#asked.set(key, isKnown ? isUnchanged : false);
    return this.#note(address, path, await answer);
  }

  #isRecent({ at }: RememberedFile): boolean {
    const age = this.#now - at;
    return age >= 0 && age < TRUST_MS;
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
