/** Whether lines can be drawn over each other. */
import type { WriteStream } from 'node:tty';

/** Some terminals (a serial line, `script` without one of its own) do not tell how wide they are: no line fits there. */
export function canDraw({ isTTY, columns }: Pick<WriteStream, 'isTTY' | 'columns'>): boolean {
  return isTTY && columns > 0;
}
