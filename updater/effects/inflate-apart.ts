/**
 * Unpacks the frames of a delta in a process of its own (`sandbox = true`), as
 * `unpack-apart.ts` does with archives: one that has no rights to lose, and here
 * no file either. Each frame, and what it refers to, goes through a pipe; what
 * comes back is as long as was signed, or the process is ended, and is held to
 * its digest by this one, as if it had been unpacked here.
 *
 * Nothing is written here. A crash of this process ends the other one: its pipe breaks.
 */
import type { Readable, Writable } from 'node:stream';
import { DeltaError, type Inflate } from '@landfall/delta';
import { messageOf } from '@landfall/errors';
import { INFLATE_FLAG } from '../program.ts';
import { startApart } from './unpack-apart.ts';

/** Bytes of a frame, of what it unpacks to and of what it refers to, each in four bytes. */
export const REQUEST_BYTES = 12;
/** How an answer begins. Bytes follow the first. */
export const ANSWER = { unpacked: 0, damaged: 1 } as const;
/** A frame may take so long, on a machine that does much else. */
const FRAME_MS = 120_000;

/** What a further process of this program takes by itself. */
const PROCESS_BYTES = 64 * 1024 * 1024;

/** Bytes of memory for what takes `bytes` in one process: both hold the frame, and what it refers to. */
export function apartMemory(bytes: number): number {
  return PROCESS_BYTES + 2 * bytes;
}

type Apart = ReturnType<typeof startApart>;

/** One process, for the frames of one delta, one after the other. It starts with the first. */
export class ApartInflater {
  readonly #signal: AbortSignal;
  #apart: Apart | undefined;
  readonly #stop = (): void => void this.#apart?.child.kill('SIGKILL');

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this.#stop);
  }

  /** Throws `DeltaError` DELTA_REFUSED for a damaged frame, DELTA_IO when the process does not do its work. */
  readonly inflate: Inflate = async (frame, { content, dictionary }) => {
    this.#signal.throwIfAborted();
    this.#apart ??= startApart('pipe', [INFLATE_FLAG]);
    const apart = this.#apart;
    const timer = setTimeout(this.#stop, FRAME_MS);
    let answer: Buffer | undefined;
    try {
      const request = Buffer.alloc(REQUEST_BYTES);
      request.writeUInt32LE(frame.length, 0);
      request.writeUInt32LE(content, 4);
      request.writeUInt32LE(dictionary?.length ?? 0, 8);
      const input = apart.child.stdin as Writable;
      for (const piece of [request, frame, ...(dictionary === undefined ? [] : [dictionary])]) {
        await send(input, piece);
      }
      answer = await readAnswer(apart.child.stdout as Readable, content);
    } catch (error) {
      throw await this.#failure(apart, error);
    } finally {
      clearTimeout(timer);
    }
    if (answer !== undefined) return answer;
    throw new DeltaError('DELTA_REFUSED', 'the delta has a damaged frame', {
      hint: 'the whole artifact installs the same release; tell the maintainer about the delta',
    });
  };

  /** Ends the process, and resolves when it has. */
  async close(): Promise<void> {
    this.#signal.removeEventListener('abort', this.#stop);
    this.#stop();
    // With something left in it, it would not count as closed.
    this.#apart?.child.stdout?.destroy();
    await this.#apart?.ended;
  }

  /** Why a pipe broke tells less than how the process ended. */
  async #failure({ ended }: Apart, error: unknown): Promise<DeltaError> {
    await this.close();
    const { how } = await ended;
    const message = `the delta: the process that unpacks it ${how} (${messageOf(error)})`;
    return new DeltaError('DELTA_IO', message, { cause: error });
  }
}

function send(input: Writable, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    input.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

/** `content` bytes; undefined for a damaged frame. Throws when less comes, or more. */
async function readAnswer(output: Readable, content: number): Promise<Buffer | undefined> {
  const answer = Buffer.allocUnsafeSlow(content);
  let done = -1;
  while (done < content) {
    const piece = output.read() as Buffer | null;
    if (piece === null) {
      await moreOf(output);
      continue;
    }
    const isFirst = done < 0;
    if (isFirst && piece[0] === ANSWER.damaged) return undefined;
    if (isFirst) done = 0;
    const bytes = isFirst ? piece.subarray(1) : piece;
    if (bytes.length > content - done) throw new Error('it sent too much');
    done += bytes.copy(answer, done);
  }
  return answer;
}

/** Waits until there is something to read. Throws when nothing more will come. */
function moreOf(output: Readable): Promise<void> {
  if (output.readableEnded || output.destroyed)
    return Promise.reject(new Error('it sent too little'));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onEnd = (): void => reject(new Error('it sent too little'));
  output.once('readable', resolve).once('end', onEnd).once('close', onEnd);
  return promise.finally(() => {
    output.off('readable', resolve).off('end', onEnd).off('close', onEnd);
  });
}
