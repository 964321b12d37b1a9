/**
 * Extraction: the mode gate and the writing of what passes it, in one reading of
 * the archive, with synchronous file calls. Whatever the gate would refuse is
 * refused, in the same words; from the first such entry on nothing is made. Of
 * much content a part is written by a second thread (`hash-thread.ts`), which has
 * ended before this does. It only ever creates, by descriptor below one folder
 * (`staging-folder.ts`), so nothing that is there already is written or
 * followed. Modes are as told, whatever the umask.
 *
 * What was written before something is refused stays: nothing is synced, and
 * the caller syncs the tree, or removes `directory` after any error or crash.
 */
import { closeSync, writeSync } from 'node:fs';
import type { Arrival } from './arrival.ts';
import type { Unpack } from './decode.ts';
import { ArchiveError, toArchiveError } from './errors.ts';
import { withInput } from './input.ts';
import { type ArchiveLimits, withDefaults } from './limits.ts';
import { DIRECTORY_MODE } from './modes.ts';
import { quotePath } from './names.ts';
import { readTree, type TreeSink } from './read-tree.ts';
import { StagingFolder } from './staging-folder.ts';
import { type ListingEntry, sameTree, type TreeInfo, treeInfo } from './tree.ts';
import { type Reuse, type Twin, Twins } from './twins.ts';

/**
 * Extracts the archive at a path, or behind an open descriptor (by position
 * from offset 0; it stays open), into `directory`, which must be there and
 * empty; `unpack` unpacks it elsewhere; files that `reuse` has as well are shared
 * with it. Resolves to what is there then, with its listing in the archive's order.
 *
 * Throws `ArchiveError`: ARCHIVE_REFUSED naming what is outside
 * docs/formats.md, ARCHIVE_DIGEST when it holds more than, or is not, what `expect`
 * says, ARCHIVE_IO when the disk fails.
 */
export async function extractTree(
  source: string | number,
  directory: string,
  options: {
    expect: TreeInfo;
    name?: string;
    /** It is still coming in. */
    arrival?: Arrival | undefined;
    limits?: Partial<ArchiveLimits>;
    signal?: AbortSignal;
    unpack?: Unpack | undefined;
    reuse?: Reuse | undefined;
    /** Called with bytes that were written more. */
    onWritten?: ((bytes: number) => void) | undefined;
  },
): Promise<{ tree: TreeInfo; listing: ListingEntry[] }> {
  const { expect, signal, unpack } = options;
  return withInput(source, options, async (input) => {
    const folder = openEmpty(directory);
    const sink = new DirectorySink(folder, input.subject, options);
    try {
      const limits = withDefaults(options.limits);
      const { listing } = await readTree(input, {
        limits,
        sink,
        expect,
        signal,
        unpack,
      });
      const tree = treeInfo(listing);
      if (!sameTree(tree, expect)) throw differs(input.subject, tree, expect);
      return { tree, listing };
    } finally {
      sink.abandon();
      folder.close();
    }
  });
}

function differs(subject: string, found: TreeInfo, expected: TreeInfo): ArchiveError {
  return new ArchiveError(
    'ARCHIVE_DIGEST',
    `${subject} is not what was signed: expected ${describeTree(expected)}, found ${describeTree(found)}`,
    { hint: DIGEST_HINT },
  );
}

const DIGEST_HINT =
  'the archive and the manifest belong to different builds; ask the maintainer to ship again';

function describeTree(tree: TreeInfo): string {
  return `${tree.entries} entries, ${tree.size} bytes, digest ${tree.digest.slice(0, 12)}`;
}

function openEmpty(directory: string): StagingFolder {
  const subject = quotePath(directory);
  let folder: StagingFolder | undefined;
  try {
    folder = new StagingFolder(directory);
    if (folder.isEmpty()) return folder;
    throw new ArchiveError('ARCHIVE_IO', `${subject} is not empty: expected an empty directory`, {
      hint: 'extract into a new directory',
    });
  } catch (error) {
    folder?.close();
    throw toArchiveError(subject, error);
  }
}

/** None where `reuse` names no folder: everything is written then. */
function openTwins(reuse: Reuse, folder: StagingFolder): Twins | undefined {
  try {
    return new Twins(reuse, folder);
  } catch {
    return undefined;
  }
}

/** Writes accepted entries below one directory. Parents come first: the rules say so. */
class DirectorySink implements TreeSink {
  readonly #folder: StagingFolder;
  readonly #subject: string;
  readonly #expect: TreeInfo;
  #entries = 0;
  #bytes = 0;
  #fd: number | undefined;
  #path = '';
  #mode = 0;
  readonly #twins: Twins | undefined;
  readonly #onWritten: ((bytes: number) => void) | undefined;
  #twin: Twin | undefined;

  constructor(
    folder: StagingFolder,
    subject: string,
    { expect, reuse, onWritten }: Parameters<typeof extractTree>[2],
  ) {
    this.#folder = folder;
    this.#subject = subject;
    this.#expect = expect;
    this.#twins = reuse && openTwins(reuse, folder);
    this.#onWritten = onWritten;
  }

  /** Nothing beyond what was signed reaches the disk. */
  #count(size: number): void {
    this.#entries += 1;
    this.#bytes += size;
    if (this.#entries <= this.#expect.entries && this.#bytes <= this.#expect.size) return;
    throw new ArchiveError(
      'ARCHIVE_DIGEST',
      `${this.#subject} holds more than was signed: expected ${describeTree(this.#expect)}`,
      { hint: DIGEST_HINT },
    );
  }

  directory(path: string): void {
    this.#count(0);
    this.#call(path, () => this.#folder.makeDirectory(path, DIRECTORY_MODE));
  }

  openFile(path: string, mode: number, size: number): number | undefined {
    this.#count(size);
    this.#path = path;
    this.#mode = mode;
    this.#twin = this.#twins?.open({ path, mode, size });
    if (this.#twin === undefined) this.#create();
    return this.#fd;
  }

  #create(): void {
    this.#fd = this.#call(this.#path, () => this.#folder.createFile(this.#path, this.#mode));
  }

  handOver(): void {
    this.#fd = undefined;
  }

  write(piece: Buffer): void {
    const twin = this.#twin;
    if (twin !== undefined) {
      if (twin.accepts(piece)) return;
      this.#create();
      for (const earlier of twin.pieces()) this.#write(earlier);
      this.#closeTwin();
    }
    this.#write(piece);
  }

  #write(piece: Buffer): void {
    const fd = this.#fd;
    if (fd !== undefined) {
      this.#call(this.#path, () => {
        for (let at = 0; at < piece.length;) at += writeSync(fd, piece, at);
      });
    }
    this.#onWritten?.(piece.length);
  }

  closeFile(): void {
    this.#closeTwin();
    const fd = this.#fd;
    if (fd === undefined) return;
    this.#fd = undefined;
    this.#call(this.#path, () => closeSync(fd));
  }

  #closeTwin(): void {
    this.#twin?.close();
    this.#twin = undefined;
  }

  /** Closes what was opened, also a file that an error left open. */
  abandon(): void {
    this.#closeTwin();
    this.#twins?.close();
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #call<T>(path: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw toArchiveError(quotePath(path), error);
    }
  }
}
