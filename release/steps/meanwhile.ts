/**
 * What a publication follows was decided when mirrors were looked at; since then another
 * machine may have published. Each mirror is looked at once more before its index is
 * written, and the first that shows something which would be lost ends the
 * publication: no further mirror is written. Changes nothing.
 */
import { ExitCode } from '@landfall/errors';
import { MirrorError, type ReadIndexFile } from '@landfall/mirrors';
import { ReleaseError } from '../errors.ts';
import { orNothing } from '../known.ts';
import { alive, type MirrorProgress } from '../mirror-progress.ts';

const DEADLINE_MS = 20_000;

/** Throws `MirrorError` SUPERSEDED when what is to be written must not take the place of what `read` finds. */
export type RequireFollows = (mirror: string, read: ReadIndexFile) => Promise<void>;

/** Remembers the first thing that would be lost: from there on no mirror is written. */
export class Meanwhile {
  readonly #requireFollows: RequireFollows;
  readonly #mirrors: readonly MirrorProgress[];
  readonly #signal: AbortSignal;
  #found: MirrorError | undefined;

  constructor(
    { mirrors, signal }: { mirrors: readonly MirrorProgress[]; signal: AbortSignal },
    requireFollows: RequireFollows,
  ) {
    this.#mirrors = mirrors;
    this.#signal = signal;
    this.#requireFollows = requireFollows;
  }

  /** Looks at all mirrors as a stranger, before the first is written. Throws like `end`. */
  async look(): Promise<void> {
    const limits = { deadlineMs: DEADLINE_MS, signal: this.#signal };
    await Promise.all(
      alive(this.#mirrors).map(({ mirror }) =>
        this.refuse(mirror.name, (path, maxBytes) =>
          mirror.readIndex(path, { ...limits, maxBytes }),
        ).catch(orNothing(this.#signal)),
      ),
    );
    this.end();
  }

  /** Throws `MirrorError` SUPERSEDED when what `read` finds, or any mirror showed before, would be lost. */
  async refuse(mirror: string, read: ReadIndexFile): Promise<void> {
    try {
      await this.#requireFollows(mirror, read);
    } catch (error) {
      if (error instanceof MirrorError && error.code === 'SUPERSEDED') this.#found ??= error;
      throw error;
    }
    if (this.#found !== undefined) throw this.#found;
  }

  /** Throws `ReleaseError` SUPERSEDED when any mirror showed what would be lost. */
  end(): void {
    const cause = this.#found;
    if (cause === undefined) return;
    const { hint = '' } = cause;
    throw new ReleaseError('SUPERSEDED', cause.message, { cause, hint, exit: ExitCode.failed });
  }
}
