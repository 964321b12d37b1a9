/** Time that nobody sets: which start of the machine this is, and how long ago it was. */
import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';

/** Tells one start of the machine from another. */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Milliseconds since the machine started; unlike the wall clock it is never set. */
export function uptimeMs(): number {
  return uptime() * 1000;
}
