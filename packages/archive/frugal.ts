/**
 * Keeps the memory of a process small and steady while it reads what may be
 * long. V8 lets its space for young objects grow to 96 MiB while a long listing
 * is read, whatever of it is kept; with this it stays at a few. What reads an
 * archive of 120,000 entries takes longer then, and a third less memory. Its slowest
 * compiler is left out, too: an update is over before it has paid.
 *
 * Not from the start of every process: the flags also make V8 refuse the
 * compiled code of Node's own modules, so that each one that is loaded after it
 * takes two to three times as long. So what an update uses later is loaded before it,
 * and a thread starts without them.
 */
import type { Worker } from 'node:worker_threads';

/** Modules of Node's that staging, its helpers and the probe ask for. */
const USED_LATER = [
  'node:child_process',
  'node:crypto',
  'node:fs/promises',
  'node:http',
  'node:sea',
  'node:timers/promises',
  'node:worker_threads',
  'node:zlib',
] as const;

const FRUGAL = ['--semi-space-growth-factor=1', '--no-turbofan'];
/** V8's own values, with which the compiled code was made. */
const USUAL = ['--semi-space-growth-factor=2', '--turbofan'];

let isFrugal = false;

/** From now on for the rest of this process. Call it before something long is read; `later` tells what is used after that. */
export function beFrugal(later: readonly (typeof USED_LATER)[number][] = USED_LATER): void {
  if (isFrugal) return;
  isFrugal = true;
  for (const name of later) process.getBuiltinModule(name);
  setFlags(FRUGAL);
}

/** What `start` makes: a thread that takes Node's compiled code, for V8 is as usual until it runs. */
export function startAsUsual(start: () => Worker): Worker {
  if (!isFrugal) return start();
  setFlags(USUAL);
  try {
    return start().once('online', () => setFlags(FRUGAL));
  } catch (error) {
    setFlags(FRUGAL);
    throw error;
  }
}

function setFlags(flags: readonly string[]): void {
  const { setFlagsFromString } = process.getBuiltinModule('node:v8');
  for (const flag of flags) setFlagsFromString(flag);
}
