/**
 * A round of `updater run`, in a process of its own that ends with it: what a
 * round loads and reads is gone then, and what waits for the next one stays
 * small. So nothing that this file imports may load much: no schema, no archive
 * code, no HTTP.
 *
 * The other side is `commands/round.ts`. It prints where this process prints,
 * and tells on descriptor 3, a line of JSON each, that its work begins and how
 * the round ended. Told to stop, this process passes it on and waits until the
 * round has ended between two steps; whatever started this process bounds that.
 *
 * Nothing is written here. If this process is killed, the round goes on as
 * `once` does, under its lock; if the round's process is, it leaves what any
 * kill leaves, and the next round settles it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { MAX_TIMER_MS } from '@landfall/cli';
import { ExitCode, messageOf, systemCode } from '@landfall/errors';
import { ownProgramAsHere } from './own-program.ts';
import { ROUND_FLAG } from './program.ts';

/** Where the process of a round tells. */
export const REPORT_FD = 3;
/** Characters of one text in a report; no longer one is taken. */
export const MAX_MESSAGE = 4000;
const MAX_REPORT = 64 * 1024;
/** For that long a process may stay that has told how its round ended. */
const LINGER_MS = 10_000;
/** What keeps a process from being started, and passes. */
const PASSING = ['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE'];

/** The configuration was read, and the work begins. */
export interface RoundBegun {
  /** Of the program that makes the round. */
  version: string;
  /** Absolute paths. */
  root: string;
  state: string;
  /** Milliseconds until the mirrors are looked at again, if no more is said. */
  checkIn: number;
}

/** How a round ended. */
export interface RoundEnd {
  /** Milliseconds until what runs is looked at again. */
  lookIn: number;
  /** Milliseconds until the mirrors are looked at again; absent when they were not looked at. */
  checkIn?: number | undefined;
  /** The next start is another updater's. */
  handedOver?: boolean | undefined;
  error?: RoundError | undefined;
}

/** What went wrong in a round: what an `OtaError` has. */
export interface RoundError {
  code: string;
  message: string;
  hint?: string | undefined;
  exit: ExitCode;
}

/** What is known of a round after its process has ended. */
export interface RoundOutcome {
  begun?: RoundBegun;
  /** Undefined: its process ended without a word. */
  end?: RoundEnd;
  /** How the process ended, for people. */
  how: string;
  /** Somebody killed it, or the machine could not bear it: another one may fare better. */
  isMishap: boolean;
}

/** How a round is ended early, between two steps or at once, and who hears that it began. */
export interface RoundOptions {
  /** Told to stop when this is aborted. */
  signal: AbortSignal;
  /** Ended when this is aborted. */
  hung: AbortSignal;
  onBegun: (begun: RoundBegun) => void;
}

/** Makes one round with `args`. Never throws. */
export async function roundApart(
  args: readonly string[],
  { signal, hung, onBegun }: RoundOptions,
): Promise<RoundOutcome> {
  const [program = '', ...own] = ownProgramAsHere();
  let child: ChildProcess;
  try {
    child = spawn(program, [...own, ROUND_FLAG, ...args], {
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    });
  } catch (error) {
    return notStarted(error);
  }
  const stop = (): boolean => child.kill('SIGTERM');
  signal.addEventListener('abort', stop);
  hung.addEventListener('abort', () => child.kill('SIGKILL'));
  const said: Pick<RoundOutcome, 'begun' | 'end'> = {};
  let linger: NodeJS.Timeout | undefined;
  onLines(child.stdio[REPORT_FD] as Readable, (line) => {
    const { begun, end } = parseLine(line);
    if (begun !== undefined && said.begun === undefined) {
      said.begun = begun;
      onBegun(begun);
    }
    if (end === undefined || said.end !== undefined) return;
    said.end = end;
    linger = setTimeout(() => child.kill('SIGKILL'), LINGER_MS);
  });
  try {
    const ended = await endOf(child);
    if (hung.aborted) ended.how = 'left no trace for too long, and was ended';
    return { ...ended, ...said };
  } finally {
    clearTimeout(linger);
    signal.removeEventListener('abort', stop);
  }
}

async function endOf(child: ChildProcess): Promise<RoundOutcome> {
  const { promise, resolve } = Promise.withResolvers<RoundOutcome>();
  child.once('error', (error) => resolve(notStarted(error)));
  // After all that it said was read.
  child.once('close', (code, killed) =>
    resolve({ how: `ended with ${killed ?? `exit code ${code}`}`, isMishap: killed !== null }),
  );
  return promise;
}

function notStarted(error: unknown): RoundOutcome {
  const isMishap = PASSING.includes(systemCode(error) ?? '');
  return { how: `does not start: ${messageOf(error)}`, isMishap };
}

/** Tells each whole line; what is too long for a report is not listened to. */
function onLines(pipe: Readable, tell: (line: string) => void): void {
  let heard = 0;
  let rest = '';
  pipe.setEncoding('utf8');
  // It broke off: what came counts.
  pipe.on('error', () => {});
  pipe.on('data', (piece: string) => {
    heard += piece.length;
    if (heard > MAX_REPORT) return;
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) tell(line);
  });
}

/** By hand, for a schema would be most of what this process has loaded. */
function parseLine(line: string): { begun?: RoundBegun; end?: RoundEnd } {
  let said: Record<string, unknown>;
  try {
    said = Object(JSON.parse(line)) as Record<string, unknown>;
  } catch {
    return {};
  }
  const { version, root, state, checkIn, lookIn, handedOver, error } = said;
  if (isText(version) && isText(root) && isText(state) && isWait(checkIn)) {
    return { begun: { version, root, state, checkIn } };
  }
  if (!isWait(lookIn)) return {};
  const end: RoundEnd = { lookIn, handedOver: handedOver === true, error: parseError(error) };
  return { end: isWait(checkIn) ? { ...end, checkIn } : end };
}

function parseError(said: unknown): RoundError | undefined {
  if (said === undefined) return undefined;
  const { code, message, hint, exit } = Object(said) as Record<string, unknown>;
  const error: RoundError = {
    code: isText(code) ? code : 'INTERNAL',
    message: isText(message) ? message : 'the round failed, and did not say well why',
    exit: Object.values(ExitCode).find((each) => each === exit) ?? ExitCode.failed,
  };
  return isText(hint) ? { ...error, hint } : error;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_MESSAGE;
}

function isWait(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= MAX_TIMER_MS;
}
