/**
 * Lists an archive with the npm `tar` package and compares what it sees with
 * what our own gate saw. Two readers that disagree about one archive mean that
 * a node may unpack something else than what was checked: a refusal.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { GateReport } from '@landfall/archive';
import { messageOf } from '@landfall/errors';
import { Parser, type ReadEntry } from 'tar';
import { ReleaseError } from '../errors.ts';
import { compressionOf } from '../files.ts';

interface Seen {
  type: string;
  mode: number;
  size: number;
  sha256: string;
}

/** How many entries both saw alike. Throws `ReleaseError` READERS_DISAGREE naming the first paths that differ. */
export async function compareReaders(
  path: string,
  gate: GateReport,
  signal?: AbortSignal,
): Promise<number> {
  let seen: Map<string, Seen>;
  try {
    seen = await listWithTar(path, signal);
  } catch (error) {
    if (signal?.aborted === true || error instanceof ReleaseError) throw error;
    throw disagree(path, [`the second one stops: ${messageOf(error)}`], error);
  }
  const expected = new Map(gate.listing.map((entry) => [entry.path, entry]));
  const problems: string[] = [];
  for (const [name, entry] of expected) {
    const other = seen.get(name);
    if (other === undefined) problems.push(`'${name}' is seen by the gate only`);
    else if (!isSame(entry, other)) problems.push(`'${name}' differs`);
  }
  for (const name of seen.keys()) {
    if (!expected.has(name)) problems.push(`'${name}' is seen by the second one only`);
  }
  if (problems.length > 0) throw disagree(path, problems);
  return seen.size;
}

function isSame(entry: Omit<Seen, 'type'> & { type: string }, other: Seen): boolean {
  return (
    entry.type === other.type &&
    entry.mode === other.mode &&
    entry.size === other.size &&
    entry.sha256 === other.sha256
  );
}

function disagree(path: string, problems: readonly string[], cause?: unknown): ReleaseError {
  const shown = problems.slice(0, 3).join(', ');
  const more = problems.length > 3 ? `, and ${problems.length - 3} more` : '';
  return new ReleaseError(
    'READERS_DISAGREE',
    `two readers disagree about '${path}': ${shown}${more}`,
    { cause, hint: "nodes may unpack it differently: pack the folder with 'from' instead" },
  );
}

/** Every entry as npm's tar sees it, by its path without `./` and trailing slash. */
async function listWithTar(
  path: string,
  signal: AbortSignal | undefined,
): Promise<Map<string, Seen>> {
  const seen = new Map<string, Seen>();
  const twins: string[] = [];
  const parser = new Parser({
    // Decompressed here: the parser's own guesses would be a third opinion.
    gzip: false,
    brotli: false,
    zstd: false,
    strict: true,
    onReadEntry: (entry) => {
      const name = nameOf(entry);
      if (seen.has(name)) twins.push(name);
      const hash = createHash('sha256');
      const found: Seen = {
        type: typeOf(entry),
        mode: (entry.mode ?? 0) & 0o7777,
        size: entry.size,
        sha256: '',
      };
      seen.set(name, found);
      entry.on('data', (chunk: Buffer) => hash.update(chunk));
      entry.on('end', () => {
        if (found.type === 'file') found.sha256 = hash.digest('hex');
      });
    },
  });
  const ended = new Promise<void>((resolve, reject) => {
    parser.on('end', resolve);
    parser.on('error', reject);
  });
  const feeding = feed(path, parser, signal);
  await Promise.all([feeding, ended]);
  if (twins.length > 0) throw new Error(`'${twins[0]}' is there twice`);
  return seen;
}

async function feed(path: string, parser: Parser, signal: AbortSignal | undefined): Promise<void> {
  const compression = compressionOf(path);
  const source = createReadStream(path, { highWaterMark: 256 * 1024 });
  const write = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of inWholeCharacters(chunks)) {
      signal?.throwIfAborted();
      if (!parser.write(chunk)) await new Promise<void>((resolve) => parser.once('drain', resolve));
    }
    parser.end();
  };
  if (compression === 'gzip') await pipeline(source, createGunzip(), write);
  else if (compression === 'zstd') await pipeline(source, createZstdDecompress(), write);
  else await pipeline(source, write);
}

/**
 * The same bytes in pieces that do not end within a character of UTF-8: the parser makes text
 * of each piece of a long path by itself, and passes over a path that suffered from it.
 */
async function* inWholeCharacters(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    const end = bytes.length - begunAtEnd(bytes);
    held = bytes.subarray(end);
    yield bytes.subarray(0, end);
  }
  yield held;
}

/** Bytes of a character that begins at the end of `bytes` and goes on behind it: 3 at most. */
function begunAtEnd(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const needed = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return needed > back ? back : 0;
  }
  return 0;
}

function nameOf(entry: ReadEntry): string {
  const name = entry.path.replace(/^\.\//, '').replace(/\/+$/, '');
  return name === '' ? '.' : name;
}

function typeOf(entry: ReadEntry): string {
  if (entry.type === 'Directory') return 'directory';
  return entry.type === 'File' || entry.type === 'OldFile' ? 'file' : entry.type;
}
