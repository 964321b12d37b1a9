/** One mirror that is completed: what was found there, what was done, what went wrong. */
import { messageOf, OtaError } from '@landfall/errors';
import type { Mirror, WritableMirror } from '../mirror.ts';

/** An artifact that a target lacks. */
export interface Lacking {
  version: string;
  file: string;
  /** Bytes. */
  size: number;
  /** `missing`, or what was found in its place. */
  why: string;
}

/** An error as it is reported: the code is an `OtaError`'s, or the system's such as ENOSPC. */
export interface Problem {
  code: string;
  message: string;
  hint: string | undefined;
}

/** What was found at one target and done there. After its first problem nothing more is. */
export class Target {
  /** How strangers see it. */
  readonly reader: Mirror;
  readonly writer: WritableMirror;
  /** Artifacts that were not right there, in the order they were looked at. */
  readonly lacking: Lacking[] = [];
  /** How many of them were sent and read back. */
  sent = 0;
  /** Artifacts that were there and right. */
  kept = 0;
  /** Channels whose index is not the newest there, by name for people. */
  staleIn: string[] = [];
  /** Whether the index was written and read back. */
  indexed = false;
  problem: Problem | undefined;

  constructor(reader: Mirror, writer: WritableMirror) {
    this.reader = reader;
    this.writer = writer;
  }

  get name(): string {
    return this.writer.name;
  }

  /** Complete when we came. */
  get wasRight(): boolean {
    return this.problem === undefined && this.lacking.length === 0 && this.staleIn.length === 0;
  }

  /** Does `work`; what fails is this mirror's problem and nobody else's. */
  async attempt(work: () => Promise<void>, signal?: AbortSignal): Promise<void> {
    if (this.problem !== undefined) return;
    try {
      await work();
    } catch (error) {
      signal?.throwIfAborted();
      this.fail(error);
    }
  }

  /** Notes the first thing that went wrong. Programming errors are thrown. */
  fail(error: unknown): void {
    this.problem ??= toProblem(error);
  }
}

/** An error as it is reported. */
export function toProblem(error: unknown): Problem {
  if (!(error instanceof OtaError)) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    return { code: String(error.code), message: messageOf(error), hint: 'look at the disk' };
  }
  return { code: error.code, message: error.message, hint: error.hint };
}
