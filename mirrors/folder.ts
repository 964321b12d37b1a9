/** Reading a directory mirror from a disk or a USB stick, under the same bounds as over HTTP. */
import { constants } from 'node:fs';
import type * as Files from 'node:fs/promises';
import { join } from 'node:path';
import { describeSystemError, messageOf, systemCode } from '@landfall/errors';
import { boundedBody, collect, ReadGuard, tooLarge } from './bounded.ts';
import { MirrorError } from './errors.ts';
import { MARKER_FILE } from './layout.ts';
import type { ArtifactStream, OpenOptions, ReadOptions } from './mirror.ts';

const CHUNK_BYTES = 128 * 1024;

interface OpenFile {
  handle: Files.FileHandle;
  /** Bytes. */
  size: number;
}

/** A folder that is read as a mirror. Paths given to it are relative and already checked. */
export class Folder {
  readonly mirror: string;
  readonly root: string;

  constructor(mirror: string, root: string) {
    this.mirror = mirror;
    this.root = root;
  }

  /** A small file, or undefined if it is not there. */
  async read(path: string, options: ReadOptions): Promise<Uint8Array | undefined> {
    const stream = await this.open(path, options);
    return stream === undefined ? undefined : await collect(stream.body);
  }

  /** A large file as a stream, or undefined if it is not there. */
  async open(path: string, options: OpenOptions): Promise<ArtifactStream | undefined> {
    const guard = new ReadGuard(this.mirror, path, options);
    try {
      const found = await this.#openUnder(guard, path);
      if (found === undefined) {
        guard.close();
        return undefined;
      }
      const start = options.span?.start ?? 0;
      if (found.size - start > options.maxBytes) {
        await found.handle.close();
        throw tooLarge(this.mirror, path, options.maxBytes);
      }
      return {
        size: found.size,
        start,
        body: boundedBody(guard, chunksOf(found.handle, start), (error) =>
          this.#translate(path, error, options.signal),
        ),
      };
    } catch (error) {
      guard.close();
      throw this.#translate(path, error, options.signal);
    }
  }

  /** Whether a file is there, and its size. */
  async stat(path: string, options: ReadOptions): Promise<{ size: number } | undefined> {
    const guard = new ReadGuard(this.mirror, path, options);
    try {
      const found = await this.#openUnder(guard, path);
      await found?.handle.close();
      return found === undefined ? undefined : { size: found.size };
    } catch (error) {
      throw this.#translate(path, error, options.signal);
    } finally {
      guard.close();
    }
  }

  /** A file that opens after it was given up is closed then: one that nobody closes ends the process when it is collected. */
  async #openUnder(guard: ReadGuard, path: string): Promise<OpenFile | undefined> {
    const opening = this.#openRegular(path);
    try {
      return await guard.wait(opening);
    } catch (error) {
      opening.then((late) => late?.handle.close()).catch(() => undefined);
      throw error;
    }
  }

  /**
   * Opens without waiting (a fifo would hang us) and takes only a regular
   * file. A file that is missing from a folder without a marker means that the
   * folder is not there: an unmounted stick leaves an empty one.
   */
  async #openRegular(path: string): Promise<OpenFile | undefined> {
    let handle: Files.FileHandle;
    try {
      handle = await filesOf().open(
        join(this.root, path),
        constants.O_RDONLY | constants.O_NONBLOCK,
      );
    } catch (error) {
      if (systemCode(error) !== 'ENOENT' && systemCode(error) !== 'ENOTDIR') throw error;
      if (await isMirrorFolder(this.root)) return undefined;
      throw notMounted(this.mirror, this.root, 'UNREACHABLE');
    }
    const info = await handle.stat().catch(async (error: unknown) => {
      await handle.close();
      throw error;
    });
    if (info.isFile()) return { handle, size: info.size };
    await handle.close();
    throw new MirrorError('BAD_ANSWER', this.mirror, `'${path}' is not a regular file`, {
      hint: `look at it in '${this.root}'`,
    });
  }

  #translate(path: string, error: unknown, signal: AbortSignal | undefined): unknown {
    if (error instanceof MirrorError) return error;
    if (signal?.aborted === true && error === signal.reason) return error;
    const system = describeSystemError(error);
    return new MirrorError(
      'UNREACHABLE',
      this.mirror,
      `cannot read '${join(this.root, path)}': ${system?.what ?? messageOf(error)}`,
      { cause: error, hint: system?.hint ?? 'look at the disk' },
    );
  }
}

/** Takes a while to load, and many a node never reads a folder. */
function filesOf(): typeof Files {
  return process.getBuiltinModule('node:fs/promises');
}

/** Whether the folder holds the marker that makes it a mirror. */
export async function isMirrorFolder(root: string): Promise<boolean> {
  return filesOf()
    .stat(join(root, MARKER_FILE))
    .then(
      (info) => info.isFile(),
      () => false,
    );
}

/** The error of a folder without a marker. */
export function notMounted(
  mirror: string,
  root: string,
  code: 'UNREACHABLE' | 'NOT_WRITABLE',
): MirrorError {
  return new MirrorError(code, mirror, `'${root}' is not a mirror: no '${MARKER_FILE}' in it`, {
    hint: `mount it if it is a stick or a share; 'mirrors init ${root}' makes a new mirror`,
  });
}

/** Not a generator: one that was never begun would not close its file when it is ended. */
function chunksOf(handle: Files.FileHandle, start: number): AsyncIterable<Uint8Array> {
  let position = start;
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
        const { bytesRead, buffer } = await handle.read(chunk, 0, chunk.length, position);
        position += bytesRead;
        return bytesRead === 0
          ? { done: true, value: undefined }
          : { done: false, value: buffer.subarray(0, bytesRead) };
      },
      async return() {
        await handle.close();
        return { done: true, value: undefined };
      },
    }),
  };
}
