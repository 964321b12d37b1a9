/**
 * Tells whoever watches how a download gets on: on a terminal in a line that is
 * drawn anew, else, in a log, in a line now and then. Nothing is decided from it.
 */
import { Transfer } from '@landfall/cli';
import type { Host } from '../host.ts';

const DRAWN_EVERY_MS = 200;
const TOLD_EVERY_MS = 60_000;

/** Hears how far a download is, as often as that changes; it tells now and then. */
export interface Progress {
  /** So many bytes are here. */
  at(bytes: number): void;
  /** No more is to be drawn. */
  end(): void;
}

/** Of `file`, which has `size` bytes. */
export function startProgress(
  host: Pick<Host, 'live' | 'note'>,
  file: string,
  size: number,
): Progress {
  const transfer = new Transfer(size);
  let [drawn, told] = [-Infinity, performance.now()];
  return {
    at(bytes) {
      const now = performance.now();
      if (now - drawn < DRAWN_EVERY_MS) return;
      drawn = now;
      const line = `${file}: ${transfer.at(bytes, now)}`;
      if (host.live(line) || now - told < TOLD_EVERY_MS) return;
      told = now;
      host.note(line);
    },
    end: () => void host.live(undefined),
  };
}
