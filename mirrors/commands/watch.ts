/**
 * Shows something again and again until it is told to stop: in place on a
 * terminal, as blocks with the time elsewhere, as one line of JSON each with
 * `--json`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { canDraw, type Context, timerMs } from '@landfall/cli';
import { ExitCode } from '@landfall/errors';

/** One look. */
export interface View {
  data: Record<string, unknown>;
  lines: readonly string[];
  exit: ExitCode;
}

const HOME = '\u001B[H';
const CLEAR_LINE = '\u001B[K';
const CLEAR_BELOW = '\u001B[J';
const CLEAR_ALL = '\u001B[2J';

/** Looks every `everyMs` milliseconds until `signal`, or until nobody reads it any more. The exit code is that of the last look. */
export async function watch(
  context: Context,
  look: (signal: AbortSignal) => Promise<View>,
  everyMs: number,
  signal: AbortSignal,
): Promise<ExitCode> {
  const show = context.json ? showJson : canDraw(process.stdout) ? showInPlace() : showBlock;
  // Nobody sees what is shown when the reader has gone (`| head`).
  const unseen = new AbortController();
  process.stdout.once('error', () => unseen.abort());
  const until = AbortSignal.any([signal, unseen.signal]);
  let exit: ExitCode = ExitCode.done;
  while (!until.aborted) {
    try {
      const view = await look(until);
      exit = view.exit;
      show(view);
      await sleep(timerMs(everyMs), undefined, { signal: until });
    } catch (error) {
      if (!until.aborted) throw error;
    }
  }
  return exit;
}

function showJson({ data }: View): void {
  process.stdout.write(`${JSON.stringify({ at: now(), ...data })}\n`);
}

function showBlock({ lines }: View): void {
  process.stdout.write([now(), ...lines, '', ''].join('\n'));
}

/** Draws over what was drawn before, without flicker, and never wider than the terminal. */
function showInPlace(): (view: View) => void {
  process.stdout.write(CLEAR_ALL);
  return ({ lines }) => {
    const { columns, rows } = process.stdout;
    const drawn = [...lines, '', `${now()}, Ctrl-C ends it`]
      .slice(0, Math.max(1, rows - 1))
      .map((line) => `${line.slice(0, columns)}${CLEAR_LINE}\n`);
    process.stdout.write(`${HOME}${drawn.join('')}${CLEAR_BELOW}`);
  };
}

function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}
