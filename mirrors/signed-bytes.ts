/**
 * The bytes of a file, held against all that its manifest says of them: size, SHA-256, and
 * the digests of its ranges (`frames`). People compare the SHA-256, nodes that fetch ranges
 * check those alone. Where the two speak of different bytes the manifest contradicts itself:
 * that is an alarm, and the fault of no mirror.
 */
import { createHash, type Hash } from 'node:crypto';
import { isTree, ManifestError, type ReleaseFile } from '@landfall/manifest';
import { readAt } from './download/disk.ts';

const CHUNK_BYTES = 1024 * 1024;

/** What was read. Size in bytes, SHA-256 in hex. */
export interface FoundBytes {
  size: number;
  sha256: string;
  /** Whether they are those that the manifest means; undefined when it means two different ones. */
  isRight: boolean | undefined;
}

/** Hashes a file as it comes. */
export class SignedBytes {
  readonly #file: ReleaseFile;
  readonly #whole = createHash('sha256');
  #size = 0;
  readonly #frames: readonly { size: number; sha256: string }[];
  /** Frames that were right so far, and what came of the next. */
  #right = 0;
  #hash: Hash = createHash('sha256');
  #left: number;

  constructor(file: ReleaseFile) {
    this.#file = file;
    this.#frames = file.artifact?.frames ?? [];
    this.#left = this.#frames[0]?.size ?? 0;
  }

  update(chunk: Uint8Array): void {
    this.#whole.update(chunk);
    this.#size += chunk.length;
    for (let rest = chunk; rest.length > 0 && this.#left > 0;) {
      const part = rest.subarray(0, this.#left);
      rest = rest.subarray(part.length);
      this.#hash.update(part);
      this.#left -= part.length;
      if (this.#left === 0) this.#endFrame();
    }
  }

  /** Once, after the last byte. */
  finish(): FoundBytes {
    const { size, sha256 } = this.#file;
    const found = { size: this.#size, sha256: this.#whole.digest('hex') };
    const isWhole = found.size === size && found.sha256 === sha256;
    const count = this.#frames.length;
    const hasFrames = count === 0 ? isWhole : found.size === size && this.#right === count;
    return { ...found, isRight: isWhole === hasFrames ? isWhole : undefined };
  }

  /** After a wrong frame nothing more is compared: `#left` stays 0. */
  #endFrame(): void {
    if (this.#hash.digest('hex') !== this.#frames[this.#right]?.sha256) return;
    this.#right += 1;
    this.#hash = createHash('sha256');
    this.#left = this.#frames[this.#right]?.size ?? 0;
  }
}

/** Reads all that is behind an open descriptor, by position. Throws the reason of `signal`. */
export async function readSignedBytes(
  fd: number,
  file: ReleaseFile,
  signal?: AbortSignal,
): Promise<FoundBytes> {
  const bytes = new SignedBytes(file);
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let at = 0, count = -1; count !== 0; at += count) {
    signal?.throwIfAborted();
    count = await readAt(fd, chunk, at);
    bytes.update(chunk.subarray(0, count));
  }
  return bytes.finish();
}

/** Whether the bytes are those that were signed. Throws `ManifestError` MANIFEST_CONTRADICTION. */
export function requireOneMeaning(found: FoundBytes, { file, sha256 }: ReleaseFile): boolean {
  if (found.isRight !== undefined) return found.isRight;
  throw contradiction(
    file,
    found.sha256 === sha256
      ? `the bytes of its sha256 ${sha256.slice(0, 12)}… are not those of its frames`
      : `the bytes of its frames have sha256 ${found.sha256.slice(0, 12)}…, expected ${sha256.slice(0, 12)}…`,
  );
}

/** The error of a manifest that says of one file what cannot be of the same bytes. */
export function contradiction(file: string, what: string, cause?: unknown): ManifestError {
  return new ManifestError(
    'MANIFEST_CONTRADICTION',
    `the manifest contradicts itself about '${file}': ${what}`,
    {
      hint: 'no mirror is to blame: find out who made the manifest; do not sign it, and halt the release if it is out',
      cause,
    },
  );
}

/** What a manifest says a file is, as one text: the same for all manifests that name it. */
export function meaningOf({ file, size, sha256, artifact }: ReleaseFile): string {
  const content =
    artifact === undefined
      ? []
      : isTree(artifact)
        ? [artifact.tree.digest, artifact.tree.size, artifact.tree.entries]
        : [artifact.contentSha256, artifact.contentSize, artifact.mode];
  return JSON.stringify([file, size, sha256, content]);
}

/** The same with its frames, which two manifests may cut differently: all that bytes are held against. */
export function claimsOf(file: ReleaseFile): string {
  const frames = file.artifact?.frames?.map((each) => [each.size, each.sha256]) ?? [];
  return meaningOf(file) + JSON.stringify(frames);
}
