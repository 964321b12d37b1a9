/**
 * Reads a tree archive from its first byte to its last: unpack, parse, check
 * the rules, hash, and hand what is accepted to a sink. The gate and the
 * extraction differ only in their sinks.
 */
import { ContentHashes } from './content-hashes.ts';
import { decode, detectPacking, type Packing, type Unpack } from './decode.ts';
import type { ArchiveInput } from './input.ts';
import type { ArchiveLimits } from './limits.ts';
import { TarReader } from './tar-reader.ts';
import { TreeRules } from './tree-rules.ts';
import type { ListingEntry } from './tree.ts';

/** What is done with entries that follow the rules. Synchronous: one order, no queues. */
export interface TreeSink {
  directory(path: string): void;
  /**
   * A file begins; its content follows in pieces, then `closeFile`. Returns where all of it
   * is to be written, unless that is not known yet.
   */
  openFile(path: string, mode: number, size: number): number | undefined;
  /** What `openFile` returned is written and closed elsewhere. */
  handOver(): void;
  write(piece: Buffer): void;
  closeFile(): void;
}

interface ReadOptions {
  limits: ArchiveLimits;
  /** Gets what is accepted until the first entry that is not; the rest is only read, to list what is wrong. */
  sink?: TreeSink;
  /** What was signed: far more tar than that needs is not unpacked at all. */
  expect?: { entries: number; size: number };
  signal?: AbortSignal | undefined;
  unpack?: Unpack | undefined;
}

/** Tar bytes that one entry needs beside its content: headers, a pax body, padding. */
const ENTRY_OVERHEAD = 4096;
const END_OVERHEAD = 2 * 1024 * 1024;

/**
 * Resolves to the listing in the archive's order. Throws `ArchiveError`
 * ARCHIVE_REFUSED naming what is outside docs/formats.md.
 */
export async function readTree(
  input: ArchiveInput,
  options: ReadOptions,
): Promise<{ packing: Packing; listing: ListingEntry[] }> {
  const { limits } = options;
  const packing = await detectPacking(input);
  const { entries, size } = options.expect ?? {
    entries: limits.maxEntries,
    size: limits.maxTotalBytes,
  };
  const bounds = {
    maxBytes: size + entries * ENTRY_OVERHEAD + END_OVERHEAD,
    maxRatio: limits.maxRatio,
  };
  const rules = new TreeRules(input.subject, limits);
  const isCertain = options.expect !== undefined;
  const hashes = new ContentHashes(options.expect?.size ?? input.size, { isCertain });
  const collector = new Collector(rules, hashes, options.sink);
  const reader = new TarReader(input.subject, collector);
  try {
    for await (const piece of decode(input, packing, bounds, options)) reader.push(piece);
    reader.finish();
    rules.finish();
    await hashes.finish();
  } catch (error) {
    throw rules.explain(error);
  } finally {
    await hashes.close();
  }
  return { packing, listing: collector.listing };
}

/** Turns accepted entries into a listing, and passes them on. */
class Collector {
  readonly listing: ListingEntry[] = [];
  readonly #rules: TreeRules;
  readonly #hashes: ContentHashes;
  #sink: TreeSink | undefined;
  #current: ListingEntry | undefined;

  constructor(rules: TreeRules, hashes: ContentHashes, sink: TreeSink | undefined) {
    this.#rules = rules;
    this.#hashes = hashes;
    this.#sink = sink;
  }

  entry(entry: Parameters<TreeRules['check']>[0]): void {
    const accepted = this.#rules.check(entry);
    this.#current = accepted && { ...accepted, sha256: '' };
    if (this.#current === undefined) this.#sink = undefined;
    if (this.#current?.type !== 'file') return;
    const { path, mode, size } = this.#current;
    const fd = this.#sink?.openFile(path, mode, size);
    if (this.#hashes.begin(size, this.#current, fd)) this.#sink?.handOver();
  }

  content(piece: Buffer): void {
    if (this.#current === undefined) return;
    this.#hashes.update(piece);
    this.#sink?.write(piece);
  }

  endOfEntry(): void {
    const entry = this.#current;
    if (entry === undefined) return;
    if (entry.type === 'directory') this.#sink?.directory(entry.path);
    else this.#sink?.closeFile();
    this.listing.push(entry);
    this.#current = undefined;
  }
}
