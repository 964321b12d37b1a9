/**
 * The bytes of an archive, read by position from an open file, so that what
 * was hashed and what is read are the same file whatever happens to its name.
 * Reads are large and memory is one window.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import type { Arrival } from './arrival.ts';
import { ArchiveError, damaged, toArchiveError } from './errors.ts';
import { quotePath } from './names.ts';

/** Bytes of the window; no single piece of any format read here is larger than a quarter of it. */
const WINDOW_BYTES = 1024 * 1024;

/**
 * An open archive, with a window over its bytes that only moves on, unless told to `seek`.
 * Of one that is still coming in, what `arrive` has not waited for is not read.
 */
export class ArchiveInput {
  readonly fd: number;
  /** What messages call it; empty when nobody said. */
  readonly name: string;
  /** `archive 'web-ui.tar.zst'`, for messages. */
  readonly subject: string;
  /** Bytes of the file when it was opened, or that it will have. */
  readonly size: number;
  readonly #arrival: Arrival | undefined;
  readonly #window: Buffer;
  /** Offset in the file of the window's first unread byte. */
  #position = 0;
  #start = 0;
  #end = 0;

  constructor(fd: number, name: string, arrival?: Arrival) {
    const subject = subjectOf(name);
    this.fd = fd;
    this.name = name;
    this.subject = subject;
    const stats = fstatSync(fd);
    if (!stats.isFile()) {
      throw new ArchiveError('ARCHIVE_IO', `${subject} is not a regular file`, {
        hint: 'name the archive file itself',
      });
    }
    this.size = arrival?.size ?? stats.size;
    this.#arrival = arrival;
    this.#window = Buffer.allocUnsafeSlow(Math.min(WINDOW_BYTES, this.size));
  }

  get position(): number {
    return this.#position;
  }

  get left(): number {
    return this.size - this.#position;
  }

  /** Whether nothing more has come in yet. */
  get isDry(): boolean {
    return this.#arrival !== undefined && this.#arrival.here <= this.#position;
  }

  /** Waits until `bytes` from here, or all that are left, can be read. Throws why they never can. */
  async arrive(bytes: number): Promise<void> {
    const end = Math.min(this.size, this.#position + bytes);
    if (this.#arrival !== undefined && this.#arrival.here < end) await this.#arrival.until(end);
  }

  /** Up to `most` bytes from here, fewer only at the end. A view that the next call may overwrite. */
  peek(most: number): Buffer {
    const wanted = Math.min(most, this.left, this.#window.length);
    if (this.#end - this.#start < wanted) this.#fill(wanted);
    return this.#window.subarray(this.#start, this.#start + wanted);
  }

  /** Exactly `bytes` from here, which must be there. A view that the next call may overwrite. */
  need(bytes: number): Buffer {
    const view = this.peek(bytes);
    if (view.length < bytes) throw damaged(this.subject, 'is truncated');
    return view;
  }

  /** Moves past `bytes` that were seen. */
  skip(bytes: number): void {
    this.#start += bytes;
    this.#position += bytes;
  }

  /** Moves to an offset of the file, back or on. */
  seek(position: number): void {
    this.#position = position;
    this.#start = 0;
    this.#end = 0;
  }

  #fill(wanted: number): void {
    this.#window.copyWithin(0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
    while (this.#end < wanted) {
      const read = this.#read(this.#position + this.#end);
      if (read === 0) throw damaged(this.subject, 'became shorter while it was read');
      this.#end += read;
    }
  }

  #read(offset: number): number {
    const end = this.#arrival?.here ?? this.size;
    const length = Math.min(this.#window.length - this.#end, Math.max(0, end - offset));
    try {
      return readSync(this.fd, this.#window, this.#end, length, offset);
    } catch (error) {
      throw toArchiveError(this.subject, error);
    }
  }
}

/**
 * Runs `use` on the archive at a path, or behind an open descriptor that stays
 * open. `name` is what messages call it; `arrival`: it is still coming in.
 */
export async function withInput<T>(
  source: string | number,
  { name, arrival }: { name?: string | undefined; arrival?: Arrival | undefined },
  use: (input: ArchiveInput) => Promise<T>,
): Promise<T> {
  const shown = name ?? (typeof source === 'string' ? basename(source) : '');
  if (typeof source === 'number') return use(new ArchiveInput(source, shown, arrival));
  let fd: number;
  try {
    fd = openSync(source, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw toArchiveError(subjectOf(shown), error);
  }
  try {
    return await use(new ArchiveInput(fd, shown, arrival));
  } finally {
    closeSync(fd);
  }
}

function subjectOf(name: string): string {
  return name === '' ? 'the archive' : `archive ${quotePath(name)}`;
}
