/**
 * The `directory` mirror, write side. A file appears under its name whole and
 * synced or not at all. A crash leaves at most `.<file>.<digest>.part` beside
 * an artifact, which the next upload of it finishes, and readers never see. A
 * manifest that is replaced is kept (`folder-history.ts`); the index's head goes
 * before what it tells of (`folder-head.ts`). Two who write at the same moment do not
 * see each other: nothing in a folder is locked.
 */
import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { access, chmod, type FileHandle, open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { makeDirectoryDurably, renameDurably, writeFileDurably } from '@landfall/durable';
import { describeSystemError, messageOf, systemCode } from '@landfall/errors';
import { releaseTag } from '@landfall/manifest';
import type { DirectoryConfig, Named } from './config.ts';
import { DirectoryMirror } from './directory.ts';
import { changedUnderway, MirrorError } from './errors.ts';
import { Folder, isMirrorFolder, notMounted } from './folder.ts';
import { writeHead } from './folder-head.ts';
import { keepEarlier } from './folder-history.ts';
import { listStored, removeStored } from './folder-releases.ts';
import { artifactPath, checkIndexPath, isIndexPath } from './layout.ts';
import type {
  IndexUpdate,
  ReleaseInfo,
  StoredRelease,
  UploadOptions,
  WritableMirror,
  WriteCheck,
  WriteIndexOptions,
} from './mirror.ts';
import { readRegular } from './regular-file.ts';

/** Readers are other users: the web server, the node that mounts the stick. */
const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;
const READ_DEADLINE_MS = 20_000;

/** Writes to the folder at `path`. Without the marker in it, throws `MirrorError` NOT_WRITABLE. */
export class WritableDirectoryMirror extends DirectoryMirror implements WritableMirror {
  /** More would only make a disk seek. */
  readonly uploadsAtOnce = 1;
  readonly #root: string;

  constructor(config: Named<DirectoryConfig> & { path: string }, env?: NodeJS.ProcessEnv) {
    super(config, env);
    this.#root = config.path;
  }

  async checkWritable(_options: { signal?: AbortSignal }): Promise<WriteCheck> {
    if (!(await isMirrorFolder(this.#root))) {
      throw notMounted(this.name, this.#root, 'NOT_WRITABLE');
    }
    await this.#translate(access(this.#root, constants.W_OK | constants.X_OK));
    return { user: undefined, head: undefined };
  }

  async ensureRelease(release: ReleaseInfo, options: { signal?: AbortSignal }): Promise<void> {
    await this.checkWritable(options);
    const directory = join(this.#root, 'releases', 'download', releaseTag(release.version));
    makeDirectoryDurably(directory, DIRECTORY_MODE);
    crashPoint('mirror-release-ensured');
  }

  async uploadArtifact(version: string, path: string, options: UploadOptions): Promise<void> {
    const target = join(this.#root, artifactPath(version, basename(path)));
    await this.checkWritable(options);
    if (await this.#translate(hasContent(target, options))) {
      await this.#translate(chmod(target, FILE_MODE));
      options.onProgress?.(options.size);
      return;
    }
    const part = join(dirname(target), `.${basename(target)}.${options.sha256.slice(0, 12)}.part`);
    const digest = await this.#translate(copySynced(path, part, options));
    if (digest !== options.sha256) throw changedUnderway(this.name, path, options.sha256, digest);
    crashPoint('mirror-part-written');
    renameDurably(part, target);
    crashPoint('mirror-uploaded');
  }

  async finishRelease(_version: string, options: { signal?: AbortSignal }): Promise<void> {
    await this.checkWritable(options);
  }

  async listReleases(options: { signal?: AbortSignal }): Promise<StoredRelease[]> {
    await this.checkWritable(options);
    return listStored(this.#root);
  }

  async removeArtifacts(version: string, options: { signal?: AbortSignal }): Promise<void> {
    await this.checkWritable(options);
    removeStored(this.#root, version);
  }

  async writeIndex(update: IndexUpdate, options: WriteIndexOptions): Promise<void> {
    await this.checkWritable(options);
    await this.#before(options);
    for (const [path, bytes] of update.files) {
      if (isIndexPath(checkIndexPath(path))) keepEarlier(this.#root, path, bytes);
    }
    writeHead(this.#root, update.files);
    await this.#writeFiles([...update.files], options);
    // Another publisher may have written at the same time.
    writeHead(this.#root, new Map());
    crashPoint('mirror-index-written');
  }

  async #writeFiles(
    files: readonly (readonly [string, Uint8Array])[],
    options: WriteIndexOptions,
  ): Promise<void> {
    const first = files.findIndex(([path]) => /(?:manifest|halt)\.json(?:\.|$)/.test(path));
    for (const [index, [path, bytes]] of files.entries()) {
      options.signal?.throwIfAborted();
      const target = join(this.#root, checkIndexPath(path));
      makeDirectoryDurably(dirname(target), DIRECTORY_MODE);
      if (index === first) await this.#beforeAgain(options);
      if (!isSame(target, bytes)) writeFileDurably(target, bytes, { mode: FILE_MODE });
      crashPoint('mirror-index-file-written');
    }
  }

  /** What stands in the folder itself: readers may find something older. */
  async #before({ before, signal }: WriteIndexOptions): Promise<void> {
    const folder = new Folder(this.name, this.#root);
    const limits = { deadlineMs: READ_DEADLINE_MS, ...(signal === undefined ? {} : { signal }) };
    await before?.((path, maxBytes) => folder.read(checkIndexPath(path), { ...limits, maxBytes }));
  }

  /** A slow disk takes its time with what goes before. What ends here leaves the head of what stands there. */
  async #beforeAgain(options: WriteIndexOptions): Promise<void> {
    try {
      await this.#before(options);
    } catch (error) {
      // Nothing is written where a stick was pulled.
      if (await isMirrorFolder(this.#root)) writeHead(this.#root, new Map());
      throw error;
    }
  }

  async #translate<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      const system = describeSystemError(error);
      throw new MirrorError(
        'NOT_WRITABLE',
        this.name,
        `cannot write to '${this.#root}': ${system?.what ?? messageOf(error)}`,
        { cause: error, hint: system?.hint ?? 'look at the disk' },
      );
    }
  }
}

/** Whether the artifact's bytes stand there already. Not more of them is read than it has, and nothing is waited for. */
async function hasContent(path: string, expected: UploadOptions): Promise<boolean> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
  if (handle === undefined) return false;
  try {
    const info = await handle.stat();
    if (!info.isFile() || info.size !== expected.size) return false;
    const hash = createHash('sha256');
    const end = info.size - 1;
    const content = createReadStream('', {
      fd: handle,
      start: 0,
      end,
      autoClose: false,
      signal: expected.signal,
    });
    for await (const chunk of content) hash.update(chunk as Uint8Array);
    return hash.digest('hex') === expected.sha256;
  } finally {
    await handle.close();
  }
}

/** What stands there and cannot be read is replaced, as other bytes are. */
function isSame(path: string, bytes: Uint8Array): boolean {
  try {
    return readRegular(path, bytes.length, { follow: false })?.equals(bytes) === true;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return false;
  }
}

/**
 * Copies `from` to `to` and syncs it; its digest. `to` is not truncated first: two
 * publishers that write the same digest write the same bytes to the same
 * places, so neither can spoil what the other has finished. A fifo of that name is
 * an error at once, not waited for.
 */
async function copySynced(from: string, to: string, options: UploadOptions): Promise<string> {
  const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants;
  const output = await open(to, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  try {
    const digest = await copyInto(output, from, options);
    await output.truncate(options.size);
    await output.chmod(FILE_MODE);
    await output.sync();
    return digest;
  } finally {
    await output.close();
  }
}

async function copyInto(output: FileHandle, from: string, options: UploadOptions): Promise<string> {
  const hash = createHash('sha256');
  let position = 0;
  const input = createReadStream(from, { signal: options.signal, highWaterMark: 1024 * 1024 });
  for await (const chunk of input) {
    const bytes = chunk as Buffer;
    hash.update(bytes);
    await options.pacer?.take(bytes.length, options.signal);
    for (let done = 0; done < bytes.length;) {
      const left = bytes.length - done;
      done += (await output.write(bytes, done, left, position + done)).bytesWritten;
    }
    position += bytes.length;
    options.onProgress?.(position);
  }
  return hash.digest('hex');
}
