/**
 * What a mirror is. Two small interfaces: anyone may read (`Mirror`), a
 * maintainer may also publish (`WritableMirror`). Every kind of mirror
 * implements them and passes one conformance suite.
 *
 * A mirror returns bytes that nobody has verified. Callers verify.
 */

/** Bounds of one read. A read that exceeds one fails with `MirrorError`. */
export interface ReadLimits {
  /** Bytes after which the read is ended as an error. */
  maxBytes: number;
  /** Milliseconds for the whole read, connecting included. */
  deadlineMs: number;
  /** Bytes a second below which a read that has started is given up; 0 for none. Measured over `rateWindowMs`. */
  minRate?: number;
  rateWindowMs?: number;
}

export interface ReadOptions extends ReadLimits {
  signal?: AbortSignal;
}

/** An artifact's bytes as they come in. `size` is what the mirror claims, if it does. */
export interface ArtifactStream {
  size: number | undefined;
  body: AsyncIterable<Uint8Array>;
}

export type MirrorKind = 'directory' | 'gitea';

export interface Mirror {
  readonly name: string;
  readonly kind: MirrorKind;
  /** Address for people; never holds a credential. */
  readonly address: string;
  /** The bytes of a small file of the index branch, or undefined if it is not there. */
  readIndex(path: string, options: ReadOptions): Promise<Uint8Array | undefined>;
  /** Opens an artifact of a version, as an anonymous reader. Undefined if it is not there. */
  openArtifact(
    version: string,
    file: string,
    options: ReadOptions,
  ): Promise<ArtifactStream | undefined>;
  /** Whether an anonymous reader would find the artifact, and its claimed size. Reads no body. */
  statArtifact(
    version: string,
    file: string,
    options: ReadOptions,
  ): Promise<{ size: number | undefined } | undefined>;
}

export interface UploadOptions {
  /** Bytes of the file at `path`. */
  size: number;
  /** Its SHA-256 in hex. */
  sha256: string;
  onProgress?: (bytes: number) => void;
  signal?: AbortSignal;
}

/** What a release looks like to people browsing the mirror. */
export interface ReleaseInfo {
  version: string;
  notes: string;
  prerelease: boolean;
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

/** What a publisher sees before anything is changed. */
export interface WriteCheck {
  /** Who we are there, for the report; undefined where a mirror has no users. */
  user: string | undefined;
  /** Head of the index branch for git mirrors, undefined otherwise or when the branch has no commit. */
  head: string | undefined;
}

export interface WritableMirror extends Mirror {
  /** Proves that we may publish there, changing nothing. Throws `MirrorError`. */
  checkWritable(options: { signal?: AbortSignal }): Promise<WriteCheck>;
  /** Makes room for the release's artifacts; safe to call again. */
  ensureRelease(release: ReleaseInfo, options: { signal?: AbortSignal }): Promise<void>;
  /**
   * Stores one artifact under its own name; safe to call again. When it
   * returns, exactly one artifact of that name exists with that size; copies of
   * another size, or further copies, that an interrupted upload left are gone.
   */
  uploadArtifact(version: string, path: string, options: UploadOptions): Promise<void>;
  /** Writes the index; safe to call again. */
  writeIndex(update: IndexUpdate, options: { signal?: AbortSignal }): Promise<void>;
}
