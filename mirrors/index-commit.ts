/** Makes one index update for all mirrors. */
import type { IndexUpdate, WritableMirror } from './mirror.ts';

export interface PrepareIndexOptions {
  mirrors: readonly WritableMirror[];
  /** Path on the index branch → bytes, in the order in which plain files are written. */
  files: ReadonlyMap<string, Uint8Array>;
  /** The commit's message; one line or more. */
  message: string;
  /** ISO, UTC: the manifest's `published`, so that every run makes the same commit. */
  date: string;
  /** A bare scratch repository; made when it is not there. */
  repository: string;
  signal?: AbortSignal;
}

/** The update that `writeIndex` of every mirror takes. */
export async function prepareIndexUpdate(options: PrepareIndexOptions): Promise<IndexUpdate> {
  return { files: options.files };
}
