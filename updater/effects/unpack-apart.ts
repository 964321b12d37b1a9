/**
 * Unpacks compressed bytes in a process of its own (`sandbox = true`). The
 * decoders are the one part of extraction that is not memory-safe code, so a
 * hostile archive is read by a process that has no rights to lose: it runs as
 * nobody, without a path, environment or network, and under Node's permission
 * model may neither open files nor start programs. It has the archive's
 * descriptor and a pipe. What comes through the pipe is read, gated and
 * written by this process, and believed no more than if it were the archive.
 *
 * The single executable takes no options of Node's, on purpose, so there the
 * process runs as nobody without the permission model.
 *
 * Nothing is written here. A crash of this process ends the other one: its pipe breaks.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { ArchiveError, type Unpack } from '@landfall/archive';
import { z } from '@landfall/manifest';
import type { Host } from '../host.ts';
import { ownProgram } from '../own-program.ts';
import { UNPACK_FLAG } from '../program.ts';

/** Where the process that unpacks tells how it ended. */
export const VERDICT_FD = 3;
/** For that long it may send nothing. */
const SILENCE_MS = 60_000;
/** For that long it may be waited for altogether. */
const WAIT_MS = 1_800_000;
const MAX_TEXT = 16 * 1024;
/** To read is allowed for its own code, and given up before the archive is looked at. */
const PERMISSIONS = ['--permission', '--allow-fs-read=*'];

const text = z.pipe(
  z.string().check(z.maxLength(4000)),
  z.transform((line) => line.replaceAll(/\p{Cc}+/gu, ' ')),
);

const verdictSchema = z.union([
  z.strictObject({ bytes: z.int().check(z.minimum(0)) }),
  z.strictObject({
    code: z.enum(['ARCHIVE_REFUSED', 'ARCHIVE_IO']),
    message: text,
    hint: z.optional(text),
  }),
]);

/** JSON on `VERDICT_FD`: the bytes that were unpacked, or what the `ArchiveError` was. */
export type UnpackVerdict = z.input<typeof verdictSchema>;

interface End {
  /** What ended it, for people. */
  how: string;
  verdict: z.output<typeof verdictSchema> | undefined;
}

/** Throws what the process that unpacks found; ARCHIVE_IO when it cannot be started, or ended without a word. */
export const unpackApart: Unpack = async function* unpackApart(fd, { name, maxBytes, signal }) {
  signal?.throwIfAborted();
  const { child, ended } = startApart(fd, [UNPACK_FLAG, String(maxBytes), name]);
  const stop = (): boolean => child.kill('SIGKILL');
  signal?.addEventListener('abort', stop);
  let bytes = 0;
  try {
    for await (const piece of piecesOf(child)) {
      signal?.throwIfAborted();
      bytes += piece.length;
      yield piece;
    }
    const end = await ended;
    signal?.throwIfAborted();
    check(name, end, bytes);
  } finally {
    signal?.removeEventListener('abort', stop);
    stop();
    // With something left in it, it would not count as closed.
    child.stdout?.destroy();
    await ended;
  }
};

/**
 * Starts this program as one that unpacks: `input` is its descriptor 0, or a
 * pipe. `ended` resolves when it has, and all of its output was read.
 */
export function startApart(
  input: number | 'pipe',
  args: readonly string[],
): { child: ChildProcess; ended: Promise<End> } {
  const [program = '', ...own] = ownProgram();
  const options = own.length === 0 ? [] : PERMISSIONS;
  const child = spawn(program, [...options, ...own, ...args], {
    stdio: [input, 'pipe', 'pipe', 'pipe'],
    env: {},
    cwd: '/',
    // A terminal that goes away does not end it (`told-to-stop.ts`).
    detached: true,
  });
  // A pipe that breaks is met by whoever writes to it.
  child.stdin?.on('error', () => undefined);
  return { child, ended: endOf(child) };
}

/** How this node unpacks, for `gateArchive` and its like: undefined, in this process. */
export function unpackAsTold({ config }: Host): Unpack | undefined {
  return config.sandbox ? unpackApart : undefined;
}

/** What it sends, for as long as it is worth waiting. */
async function* piecesOf(child: ChildProcess): AsyncGenerator<Buffer> {
  const pieces = (child.stdout as Readable)[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let left = WAIT_MS;
  for (;;) {
    const started = performance.now();
    const timer = setTimeout(() => child.kill('SIGKILL'), Math.min(SILENCE_MS, left));
    // A pipe that breaks tells less than how the process ended.
    const next = await pieces.next().catch(() => ({ done: true as const, value: undefined }));
    clearTimeout(timer);
    left = Math.max(0, left - (performance.now() - started));
    if (next.done === true) return;
    yield next.value;
  }
}

async function endOf(child: ChildProcess): Promise<End> {
  const [, , errors, verdict] = child.stdio as unknown as [null, Readable, Readable, Readable];
  const texts = [readText(verdict), readText(errors)];
  const { promise, resolve } = Promise.withResolvers<string>();
  child.once('error', (error) => resolve(`does not start: ${error.message}`));
  child.once('close', (code, killed) => resolve(`ended with ${killed ?? `exit code ${code}`}`));
  const how = await promise;
  const [said = '', complaint = ''] = await Promise.all(texts);
  const last = text.safeParse(complaint.trim().split('\n').at(-1)).data ?? '';
  return { how: last === '' ? how : `${how}: ${last}`, verdict: parseVerdict(said) };
}

function parseVerdict(said: string): End['verdict'] {
  try {
    return verdictSchema.parse(JSON.parse(said));
  } catch {
    return undefined;
  }
}

function check(name: string, { how, verdict }: End, bytes: number): void {
  if (verdict !== undefined && 'bytes' in verdict && verdict.bytes === bytes) return;
  if (verdict !== undefined && 'code' in verdict) {
    throw new ArchiveError(verdict.code, verdict.message, { hint: verdict.hint });
  }
  throw new ArchiveError('ARCHIVE_IO', `archive '${name}': the process that unpacks it ${how}`, {
    hint: "if it never works here, Node is too old for its permission model: 'sandbox = false' unpacks without it",
  });
}

/** Reads to the end, keeps the beginning. */
async function readText(stream: Readable): Promise<string> {
  let kept = '';
  try {
    for await (const piece of stream.setEncoding('utf8')) {
      kept = (kept + String(piece)).slice(0, MAX_TEXT);
    }
  } catch {
    // It broke off: what came counts.
  }
  return kept;
}
