/**
 * What the commands share: the configuration they read, the lock they hold,
 * and how they are told to stop.
 */
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context, OptionSpec } from '@landfall/cli';
import { DurableError, makeDirectoryDurably } from '@landfall/durable';
import { loadConfig, type Config } from '../config.ts';
import { UpdaterError } from '../errors.ts';
import { openHost, tryTo, type Host } from '../host.ts';
import { lockNode } from '../lock.ts';
import { pathsOf } from '../paths.ts';
import { DEFAULT_CONFIG_PATH } from '../program.ts';
import { confirmUpdater } from '../self/confirm.ts';
import { secureState } from '../state-folder.ts';
import { settleMs } from '../units/timing.ts';
import { untilToldToStop } from './told-to-stop.ts';

export { untilToldToStop };

/** Between two tries to get the lock. */
const POLL_MS = 500;
/** What an updater that took over must have done once before the one it took over from may go. */
const WORK = new Set(['apply', 'once', 'run', 'verify']);

/** `--dry-run`, spread into the options of every command that changes something. */
export const DRY_RUN: Readonly<Record<string, OptionSpec>> = {
  'dry-run': { help: 'say what would be done, and change nothing' },
};

/**
 * The configuration of `--config`, else the usual one, by its absolute path: units, and an updater
 * that proves itself, are started in another folder. Throws `UpdaterError` CONFIG.
 */
export function readConfig(context: Context): Config {
  return loadConfig(resolve(context.text('config') ?? DEFAULT_CONFIG_PATH));
}

/** Opens what the updater knows, to look at it only. */
export function openToLook(context: Context, signal: AbortSignal): Host {
  return openHost(readConfig(context), {
    signal,
    note: (line) => context.note(line),
    preserve: false,
  });
}

/**
 * Runs `work` as the only updater on this node. Throws `DurableError` LOCKED
 * while another one is at work.
 */
export async function withLock<T>(
  context: Context,
  config: Config,
  purpose: string,
  signal: AbortSignal,
  work: (host: Host) => Promise<T>,
): Promise<T> {
  const paths = pathsOf(config.root, config.state);
  secureState(paths, (line) => context.note(line));
  makeDirectoryDurably(paths.root);
  const lock = lockNode(paths, purpose, (line) => context.note(line));
  try {
    const note = (line: string): void => context.note(line);
    const live = (line: string | undefined): boolean => context.live(line);
    const host = openHost(config, { signal, note, live, preserve: true });
    const confirm = (): void => {
      if (WORK.has(purpose)) confirmUpdater(host);
    };
    try {
      const result = await work(host).finally(() => tryTo(host, () => host.journal.flush()));
      confirm();
      return result;
    } catch (error) {
      // The mirrors are to blame: all else of the work was done by then.
      if (error instanceof UpdaterError && error.code === 'NO_MANIFEST') confirm();
      throw error;
    }
  } finally {
    lock.release();
  }
}

/** The same as soon as the updater that is at work is done. Throws LOCKED when that takes longer than it may. */
export const withLockInTurn: typeof withLock = async (context, config, purpose, signal, work) => {
  const deadline = performance.now() + settleMs(config);
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await withLock(context, config, purpose, signal, work);
    } catch (error) {
      const isLocked = error instanceof DurableError && error.code === 'LOCKED';
      if (!isLocked || signal.aborted || performance.now() > deadline) throw error;
      if (isFirst) context.note(`waiting: ${error.message}`);
      await sleep(POLL_MS, undefined, { signal }).catch(() => {});
    }
  }
};

/** Most commands: read the configuration, take the lock, work until done or told to stop. */
export async function withHost<T>(
  context: Context,
  purpose: string,
  work: (host: Host) => Promise<T>,
): Promise<T> {
  const config = readConfig(context);
  return untilToldToStop((signal) => withLock(context, config, purpose, signal, work));
}
