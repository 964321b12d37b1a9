/** An archive that is read while the rest of it is still being downloaded. */
export interface Arrival {
  /** Bytes that it will have. */
  readonly size: number;
  /** So many, from its start, are there and were found to be right; never fewer than before. */
  readonly here: number;
  /** Resolves when `here` is at least `bytes`. Rejects with why it will never be. */
  until(bytes: number): Promise<void>;
}
