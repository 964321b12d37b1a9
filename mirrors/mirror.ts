/**
 * What a mirror is. Two small interfaces: anyone may read (`Mirror`), a
 * maintainer may also publish (`WritableMirror`). Every kind of mirror
 * implements them and passes one conformance suite.
 *
 * A mirror returns bytes that nobody has verified. Callers verify. Everything
 * a mirror throws is a `MirrorError`, except for errors of this machine's own
 * disk, which are `DurableError` or the system's.
 */

import type { ReadIndexFile } from './signed-index.ts';

/** Bounds of one read. A read that exceeds one fails with `MirrorError`. */
export interface ReadLimits {
  /** Bytes after which the read is ended as an error. */
  maxBytes: number;
  /** Milliseconds for the whole read, connecting included. */
  deadlineMs: number;
  /**
   * Bytes a second below which a read is given up; 0 or unset for none.
   * Measured over `rateWindowMs` (10 s unless told) of waiting for the mirror,
   * connecting included; time the reader takes for itself does not count.
   */
  minRate?: number;
  rateWindowMs?: number;
}

/** The bounds, and a signal whose reason is thrown when it ends the read. */
export interface ReadOptions extends ReadLimits {
  signal?: AbortSignal;
}

/** Bytes of a file from `start` on, `end` not included. */
export interface ByteSpan {
  start: number;
  end: number;
}

/** How an artifact is read: all of it, or a span where the mirror can do that. */
export interface OpenOptions extends ReadOptions {
  /** Only these bytes are wanted. A mirror may send all of the file all the same: its answer says. */
  span?: ByteSpan | undefined;
}

/** An artifact's bytes as they come in. `size` is what the mirror claims of the whole file, if it does. */
export interface ArtifactStream {
  size: number | undefined;
  /** Where in the file the body begins: where `span` does, or at 0. */
  start: number;
  /** Read it to the end or end it early (`break`, `return()`): that frees the connection. */
  body: AsyncIterableIterator<Uint8Array>;
}

/** The `type` of its configuration; what each serves where: docs/formats.md, Mirror. */
export type MirrorKind = 'directory' | 'gitea';

/** A mirror as its readers see it. Nothing that it returns is verified. Throws `MirrorError`. */
export interface Mirror {
  readonly name: string;
  readonly kind: MirrorKind;
  /** Address for people; never holds a credential. */
  readonly address: string;
  /** The bytes of a small file of the index branch, or undefined if it is not there. */
  readIndex(path: string, options: ReadOptions): Promise<Uint8Array | undefined>;
  /**
   * Opens an artifact of a version, as an anonymous reader. Undefined if it is
   * not there. `maxBytes` bounds the body, which may be all of the file.
   */
  openArtifact(
    version: string,
    file: string,
    options: OpenOptions,
  ): Promise<ArtifactStream | undefined>;
  /** Whether an anonymous reader would find the artifact, and its claimed size. Reads no body. */
  statArtifact(
    version: string,
    file: string,
    options: ReadOptions,
  ): Promise<{ size: number | undefined } | undefined>;
}

/** Slows down what goes through it; several may share one. */
export interface Pacer {
  readonly bytesPerSecond: number;
  /** Waits until so many bytes may go. */
  take(bytes: number, signal?: AbortSignal): Promise<void>;
}

/** What was signed of the file, against which it is read back, and how fast it may go. */
export interface UploadOptions {
  /** Bytes of the file at `path`. */
  size: number;
  /** Its SHA-256 in hex. */
  sha256: string;
  /** Called with the bytes sent so far; falls back to 0 when an upload is begun again. */
  onProgress?: (bytes: number) => void;
  /** Bounds what is sent, and what is read back of it, beside the mirror's own bounds. */
  pacer?: Pacer;
  signal?: AbortSignal;
}

/** What a release looks like to people browsing the mirror, and what belongs to it. */
export interface ReleaseInfo {
  version: string;
  notes: string;
  prerelease: boolean;
  /** The commit it was built at. A mirror that has it puts the tag there, where it knows tags. */
  commit?: string;
  /**
   * Every artifact of the release. When the last of them is there, the mirror
   * makes the release public, where it knows such a difference.
   */
  files: readonly { file: string; size: number }[];
}

/**
 * An index update, made once and written to every mirror: the same files, and
 * for mirrors that share a git history the same commit object.
 */
export interface IndexUpdate {
  /** Path on the index branch → bytes, in the order in which plain files are written. */
  files: ReadonlyMap<string, Uint8Array>;
  /** Present when at least one mirror takes the index by git push. */
  commit?: {
    /** A bare repository on this machine that holds the commit. */
    repository: string;
    /** The commit's id, 40 hex digits. */
    id: string;
  };
}

/** What an index may take the place of. `force` is for git branches, and nothing to plain files. */
export interface WriteIndexOptions {
  signal?: AbortSignal;
  /** Replace a branch that has diverged. */
  force?: boolean;
  /**
   * Called directly before anything is written, with what reads the index that is to be
   * replaced as it stands there: its files, or the very head that is pushed over. What it
   * throws leaves the mirror as it is.
   */
  before?: (read: ReadIndexFile) => Promise<void>;
  /** Called with the commit id of a head that was replaced. */
  onReplaced?: (head: string) => void;
}

/** What a publisher sees before anything is changed. */
export interface WriteCheck {
  /** Who we are there, for the report; undefined where a mirror has no users, or does not say. */
  user: string | undefined;
  /** Head of the index branch for git mirrors, undefined otherwise or when the branch has no commit. */
  head: string | undefined;
}

/** The index branch of a mirror that keeps its index in git. */
export interface IndexBranch {
  /**
   * Fetches the branch's head, with its history, into the bare repository at
   * `repository`. Its commit id, or undefined when the branch has no commit.
   */
  fetchHead(repository: string, options: { signal?: AbortSignal }): Promise<string | undefined>;
}

/** A version that artifacts are stored of. Sizes in bytes. */
export interface StoredRelease {
  version: string;
  files: readonly { file: string; size: number }[];
}

/** A mirror as maintainers see it. What writes may be called again, after whatever failure. */
export interface WritableMirror extends Mirror {
  /** Present when the index is a git branch. */
  readonly indexBranch?: IndexBranch;
  /** How many artifacts it takes at once. */
  readonly uploadsAtOnce: number;
  /** Proves that we may publish there, changing nothing. Throws `MirrorError`. */
  checkWritable(options: { signal?: AbortSignal }): Promise<WriteCheck>;
  /** Makes room for the release's artifacts; safe to call again. */
  ensureRelease(release: ReleaseInfo, options: { signal?: AbortSignal }): Promise<void>;
  /**
   * Stores one artifact under its own name; safe to call again. When it
   * returns, exactly one artifact of that name exists, with that size and
   * digest; what interrupted uploads left beside it is gone. The release must
   * have been ensured by this object before.
   */
  uploadArtifact(version: string, path: string, options: UploadOptions): Promise<void>;
  /**
   * Makes the release public if all its artifacts are there, where a mirror
   * knows such a difference. The last upload does it too; a run that was
   * killed in between did not. The release must have been ensured before.
   */
  finishRelease(version: string, options: { signal?: AbortSignal }): Promise<void>;
  /** Every version that artifacts are stored of, in no order. Publications under way are left out. */
  listReleases(options: { signal?: AbortSignal }): Promise<StoredRelease[]>;
  /**
   * Removes every artifact of a version, for good; safe to call again. Only
   * for versions that no index names. What people wrote about the release stays.
   */
  removeArtifacts(version: string, options: { signal?: AbortSignal }): Promise<void>;
  /**
   * Writes the index; safe to call again. With `force`, a git branch that has
   * diverged is replaced, if it still is where it was looked at; its old head
   * stays in the update's repository.
   */
  writeIndex(update: IndexUpdate, options: WriteIndexOptions): Promise<void>;
}
