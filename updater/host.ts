/** What every part of the updater is given: configuration, knowledge, and ways to tell. */
import { Journal } from '@landfall/durable';
import { messageOf } from '@landfall/errors';
import type { Config } from './config.ts';
import { UpdaterError } from './errors.ts';
import { ActivationLog } from './log.ts';
import { pathsOf, type Paths } from './paths.ts';
import { Store } from './records/store.ts';

/** One node as this process knows it. Only a holder of the node's lock writes to `store`. */
export interface Host {
  readonly config: Config;
  readonly paths: Paths;
  readonly store: Store;
  readonly journal: Journal;
  readonly log: ActivationLog;
  /** Aborted when this process is told to stop. */
  readonly signal: AbortSignal;
  /** A line for whoever watches. */
  note(line: string): void;
  /** One that is drawn over the one before it, or none; false where nobody would see it. */
  live(line: string | undefined): boolean;
}

/** How the process is told to stop, who watches it work, and whether it has the node's lock. */
export interface HostOptions {
  signal: AbortSignal;
  note: (line: string) => void;
  /** Nobody sees such lines unless told. */
  live?: (line: string | undefined) => boolean;
  /** Moves corrupt state files aside; only for a holder of the lock. */
  preserve: boolean;
}

/** Opens what the updater knows. Throws `DurableError` when the disk refuses. */
export function openHost(config: Config, options: HostOptions): Host {
  const paths = pathsOf(config.root, config.state);
  const { signal, note, live = () => false } = options;
  return {
    config,
    paths,
    store: new Store(paths, { preserve: options.preserve }),
    journal: new Journal(paths.journal),
    log: new ActivationLog(paths.logs),
    signal,
    note,
    live,
  };
}

/** Throws `UpdaterError` INTERRUPTED when this process was told to stop. */
export function stopIfTold(signal: AbortSignal): void {
  if (!signal.aborted) return;
  throw new UpdaterError('INTERRUPTED', 'stopped before it was done', {
    hint: "what was begun is finished or undone by the next start, or now by 'updater verify'",
    cause: signal.reason,
  });
}

/** Does what can be done without, and says why when it could not be. */
export function tryTo(host: Pick<Host, 'note'>, write: () => void): void {
  try {
    write();
  } catch (error) {
    host.note(`going on without it: ${messageOf(error)}`);
  }
}

/** The time as it is written down. */
export function timestamp(after = 0): string {
  return new Date(Date.now() + after).toISOString();
}
