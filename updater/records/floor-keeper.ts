/**
 * The floors as the updater holds them: `floor.json`, with what only its copy
 * in `root` still knows. `floor.json` is written first, the copy second: a copy
 * that knows more tells of a state folder that went back. A crash in between
 * leaves a copy that is behind, which the next manifest or check mends.
 */
import type { VerifiedManifest } from '@landfall/trust';
import type { Paths } from '../paths.ts';
import { mergeFloors, readFloorCopy, writeFloorCopy } from './floor-copy.ts';
import {
  type FloorFile,
  type FloorReset,
  raiseFloor,
  resetFloor,
  type SignedTime,
  withSignedTime,
  writeFloorFile,
} from './floor-file.ts';

/** The floors of one process: read once, together with their copy, and written through. */
export class FloorKeeper {
  /** What `floor.json` does not say any more and its copy does; the floors are the higher ones. */
  readonly lost: string | undefined;
  readonly #paths: Paths;
  #file: FloorFile;
  #isCopied: boolean;

  /** `own`: what `floor.json` says; undefined when it is not there. */
  constructor(paths: Paths, own: FloorFile | undefined) {
    this.#paths = paths;
    const copy = readFloorCopy(paths.floorCopy);
    const { file, went } = mergeFloors(own, copy);
    this.#file = file;
    this.lost = went;
    this.#isCopied = JSON.stringify(copy?.floors) === JSON.stringify(file.floors);
  }

  get file(): FloorFile {
    return this.#file;
  }

  /** Raises the floor of `index` to `verified`; false when it is there already. Throws `DurableError`. */
  raise(index: string, verified: VerifiedManifest, at: string): boolean {
    const raised = raiseFloor(this.#file, index, verified, at);
    if (raised === this.#file) {
      if (!this.#isCopied) this.#copy();
      return false;
    }
    this.#write(raised);
    return true;
  }

  /** Sets floors as a root document says; with `write: false` in what this process knows alone. */
  reset(resets: readonly FloorReset[], at: string, { write }: { write: boolean }): void {
    const file = resets.reduce((each, reset) => resetFloor(each, reset, at), this.#file);
    if (file === this.#file) return;
    if (write) this.#write(file);
    else this.#file = file;
  }

  /** Keeps the time at which something was signed, if it is the newest. Throws `DurableError`. */
  noteTime(seen: SignedTime): void {
    const file = withSignedTime(this.#file, seen);
    if (file !== this.#file) this.#write(file);
  }

  /** Writes down that floors were lost, and what is known of them. Throws `DurableError`. */
  keepLost(reason: string, at: string): void {
    this.#write({ ...this.#file, restored: { at, reason } });
  }

  #write(file: FloorFile): void {
    writeFloorFile(this.#paths.floor, file);
    this.#file = file;
    this.#copy();
  }

  #copy(): void {
    writeFloorCopy(this.#paths.floorCopy, this.#file);
    this.#isCopied = true;
  }
}
