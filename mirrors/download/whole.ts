/**
 * A download of which only the whole is signed: from one mirror after the
 * other, each going on from where the one before it, or an earlier download,
 * was left. Who brought wrong bytes shows at the end alone. When the end does
 * not match and it was not all from one mirror, that mirror's own are fetched
 * from the beginning, and only then is it to blame.
 */
import { createHash, type Hash } from 'node:crypto';
import { fstatSync, ftruncateSync } from 'node:fs';
import { crashPoint } from '@landfall/cli';
import { MirrorError } from '../errors.ts';
import type { Mirror } from '../mirror.ts';
import { readAt, writeAllSync } from './disk.ts';
import { type Attempt, isSlow, openAt, type Served, wrong } from './options.ts';

const REHASH_BYTES = 1024 * 1024;
/** How often a mirror that cuts off is asked again, and what it must have brought for that. */
const MOST_CUTS = 4;
const LEAST_BROUGHT = 256 * 1024;

/** Resolves to undefined when no mirror could serve it. */
export async function downloadWhole(attempt: Attempt): Promise<Served | undefined> {
  const { mirrors, options, fail } = attempt;
  const prefix = new Prefix(attempt.fd, options.size);
  if (await prefix.findWhole(options.sha256, options.signal)) return { mirror: undefined };
  const waiting = mirrors.map((mirror) => ({ mirror, asked: 0 }));
  let furthest = prefix.length;
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { mirror, asked } = next;
    const patient = waiting.every((each) => each.asked > 0);
    try {
      await fetchRest(attempt, prefix, mirror, patient);
      return { mirror: mirror.name };
    } catch (error) {
      if (!(error instanceof MirrorError)) throw error;
      if (prefix.length >= options.size || error.code === 'TOO_LARGE') prefix.reset();
      fail(mirror, error);
      const brought = prefix.length - furthest;
      furthest = Math.max(furthest, prefix.length);
      const isCut = error.code === 'UNREACHABLE' && brought >= LEAST_BROUGHT && asked < MOST_CUTS;
      if ((isSlow(error) && !patient) || isCut) waiting.push({ mirror, asked: asked + 1 });
    }
  }
  return undefined;
}

async function fetchRest(
  attempt: Attempt,
  prefix: Prefix,
  mirror: Mirror,
  patient: boolean,
): Promise<void> {
  const { size, sha256, file, onProgress } = attempt.options;
  const span = prefix.length === 0 ? undefined : { start: prefix.length, end: size };
  const stream = await openAt(mirror, attempt, { patient, span });
  // It knows no ranges, and sends everything.
  if (stream.start !== prefix.length) prefix.reset();
  // The loop ends the body when it is left, also by an error.
  for await (const chunk of stream.body) {
    if (!prefix.append(chunk)) throw wrong(mirror, file, `${size} bytes`, 'more');
    onProgress?.(prefix.length, mirror.name);
  }
  if (prefix.length !== size) {
    throw wrong(mirror, file, `${size} bytes`, `${prefix.length} bytes`);
  }
  const digest = prefix.finish();
  if (digest === sha256) return;
  prefix.reset();
  if (stream.start === 0) throw wrong(mirror, file, `sha256 ${sha256}`, `sha256 ${digest}`);
  await fetchRest(attempt, prefix, mirror, patient);
}

/** What is here of the file, from its first byte on, and hashed. */
class Prefix {
  readonly #fd: number;
  readonly #size: number;
  #hash: Hash = createHash('sha256');
  length = 0;

  constructor(fd: number, size: number) {
    this.#fd = fd;
    this.#size = size;
  }

  /** Hashes what an earlier download left. True when that is the whole file. */
  async findWhole(sha256: string, signal: AbortSignal | undefined): Promise<boolean> {
    const { size } = fstatSync(this.#fd);
    if (size > this.#size) ftruncateSync(this.#fd, 0);
    if (size === 0 || size > this.#size) return false;
    const buffer = Buffer.allocUnsafeSlow(Math.min(size, REHASH_BYTES));
    while (this.length < size) {
      signal?.throwIfAborted();
      const read = await readAt(this.#fd, buffer, this.length);
      if (read === 0) break;
      this.#hash.update(buffer.subarray(0, read));
      this.length += read;
    }
    if (this.length < this.#size) return false;
    if (this.finish() === sha256) return true;
    this.reset();
    return false;
  }

  /** Begins anew. */
  reset(): void {
    this.#hash = createHash('sha256');
    this.length = 0;
    ftruncateSync(this.#fd, 0);
  }

  /** False, and begun anew, when there is more than the file has. */
  append(chunk: Uint8Array): boolean {
    if (this.length + chunk.length > this.#size) {
      this.reset();
      return false;
    }
    this.#hash.update(chunk);
    writeAllSync(this.#fd, chunk, this.length);
    crashPoint('download-part-written');
    this.length += chunk.length;
    return true;
  }

  /** In hex; once. */
  finish(): string {
    return this.#hash.digest('hex');
  }
}
