/**
 * Packs a planned tree, or one file. The same plan, time and level give the
 * same bytes, whoever packs and under whatever umask.
 *
 * A file that is not what it was when the plan was made is an error. A failure
 * leaves nothing under the given name.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs';
import { ContentHash } from './content-hash.ts';
import { type PlanEntry, sourcePath, type TreePlan } from './draft.ts';
import { ArchiveError, toArchiveError } from './errors.ts';
import { type Compression, DEFAULT_LEVELS } from './frame-format.ts';
import { FrameWriter, type Written } from './frame-writer.ts';
import { describeMode, kindOf } from './modes.ts';
import { quotePath } from './names.ts';
import { paddingOf, TAR_END_BYTES, tarHeader } from './tar-writer.ts';
import { TreeDigest, type TreeInfo } from './tree.ts';

const ZEROS = Buffer.alloc(TAR_END_BYTES);

/** How an artifact is compressed. `signal` is looked at before each frame. */
export interface PackOptions {
  compression: Compression;
  /** The codec's own; 3 for zstd and 6 for gzip unless told. */
  level?: number;
  signal?: AbortSignal;
}

/**
 * Packs `plan` into `outPath`; every entry gets the time `mtime` (seconds
 * since 1970). Resolves to the archive's size and SHA-256 and to what it holds.
 * Throws `ArchiveError` ARCHIVE_IO when a file changed since the plan was made.
 */
export async function packTree(
  plan: TreePlan,
  outPath: string,
  options: PackOptions & { mtime: number },
): Promise<Written & { tree: TreeInfo }> {
  return withWriter(outPath, options, async (writer) => {
    const digest = new TreeDigest();
    for (const entry of plan.entries) {
      await writer.write(tarHeader({ ...entry, mtime: options.mtime }));
      const sha256 = entry.type === 'file' ? await packContent(writer, entry) : '';
      await writer.write(ZEROS.subarray(0, paddingOf(entry.size)));
      digest.add(entry, sha256);
    }
    await writer.write(ZEROS);
    return { ...(await writer.finish()), tree: digest.finish() };
  });
}

/**
 * Compresses the regular file `source` into `outPath`. Resolves to size and
 * SHA-256 of the artifact and of the content. Throws `ArchiveError`
 * ARCHIVE_UNPACKABLE for anything but a plain file.
 */
export async function packFile(
  source: string,
  outPath: string,
  options: PackOptions,
): Promise<Written & { contentSha256: string; contentSize: number }> {
  const entry = planFile(source);
  return withWriter(outPath, options, async (writer) => {
    const contentSha256 = await packContent(writer, entry);
    return { ...(await writer.finish()), contentSha256, contentSize: entry.size };
  });
}

function planFile(source: string): PlanEntry {
  let stats;
  try {
    stats = lstatSync(source);
  } catch (error) {
    throw toArchiveError(quotePath(source), error);
  }
  const special = stats.mode & 0o7000;
  if (!stats.isFile() || special !== 0) {
    const found = stats.isFile() ? describeMode('file', stats.mode & 0o7777) : kindOf(stats);
    throw new ArchiveError(
      'ARCHIVE_UNPACKABLE',
      `${quotePath(source)} cannot be packed: expected a plain file, found ${found}`,
      { hint: 'name a regular file without setuid, setgid or sticky bits; links are not followed' },
    );
  }
  return {
    path: source,
    type: 'file',
    mode: 0o644,
    size: stats.size,
    source: { part: { root: source, at: source }, inode: stats.ino, changedMs: stats.ctimeMs },
  };
}

async function withWriter<T>(
  outPath: string,
  options: PackOptions,
  run: (writer: FrameWriter) => Promise<T>,
): Promise<T> {
  const { compression, level = DEFAULT_LEVELS[compression], signal } = options;
  let writer: FrameWriter | undefined;
  try {
    writer = new FrameWriter(outPath, compression, level, signal);
    return await run(writer);
  } catch (error) {
    await writer?.abandon();
    signal?.throwIfAborted();
    throw toArchiveError(quotePath(outPath), error);
  }
}

/**
 * Puts the file's bytes into the frames and returns their SHA-256 in hex. What
 * was read is looked at when it is all there: whatever happened to the file
 * since it was planned, it shows then.
 */
async function packContent(writer: FrameWriter, entry: PlanEntry): Promise<string> {
  const { source } = entry;
  let fd: number | undefined;
  try {
    if (source === undefined) {
      throw new ArchiveError('ARCHIVE_IO', `${quotePath(entry.path)} has no source`);
    }
    const path = sourcePath(source.part, entry.path);
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const hash = new ContentHash(entry.size);
    for (let left = entry.size; left > 0;) {
      const room = writer.room();
      const read = readSync(fd, room, 0, Math.min(left, room.length), null);
      if (read === 0) throw changed(entry);
      hash.update(room.subarray(0, read));
      left -= read;
      if (writer.advance(read)) await writer.flush();
    }
    refuseChanged(fd, entry, source);
    return hash.digest();
  } catch (error) {
    throw toArchiveError(quotePath(entry.path), error);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Size, inode and change time say whether a file is the one that was planned. */
function refuseChanged(
  fd: number,
  entry: PlanEntry,
  source: { inode: number; changedMs: number },
): void {
  const stats = fstatSync(fd);
  if (
    !stats.isFile() ||
    stats.size !== entry.size ||
    stats.ino !== source.inode ||
    stats.ctimeMs !== source.changedMs
  ) {
    throw changed(entry);
  }
}

function changed({ path }: PlanEntry): ArchiveError {
  return new ArchiveError('ARCHIVE_IO', `${quotePath(path)} changed while it was packed`, {
    hint: 'let the build finish before packing, and run it again',
  });
}
