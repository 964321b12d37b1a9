/**
 * What a release follows was decided when mirrors were looked at; since then another
 * machine may have published. Each mirror is looked at once more before its index is
 * written, and the first that shows a manifest which would be lost ends the
 * publication: no further mirror is written. Changes nothing.
 */
import { ExitCode } from '@landfall/errors';
import { MirrorError, type NextManifest, requireFollows } from '@landfall/mirrors';
import { ReleaseError } from '../errors.ts';
import { orNothing } from '../known.ts';
import { alive, type MirrorProgress } from '../mirror-progress.ts';
import { need, type Shipment } from '../shipment.ts';

const DEADLINE_MS = 20_000;

type ReadIndexFile = Parameters<typeof requireFollows>[2];

export class Meanwhile {
  readonly #next: NextManifest;
  readonly #mirrors: readonly MirrorProgress[];
  readonly #signal: AbortSignal;
  #found: MirrorError | undefined;

  constructor(shipment: Shipment) {
    const { survey, signed, expected, channelPath, mirrors, signal } = shipment;
    this.#mirrors = mirrors;
    this.#signal = signal;
    this.#next = {
      ...expected,
      channel: channelPath,
      verified: need(signed, 'signed manifest').verified,
      known: new Set(need(survey, 'survey').rows.flatMap(({ verified }) => verified?.sha256 ?? [])),
      signal,
    };
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
      await requireFollows(mirror, this.#next, read);
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
