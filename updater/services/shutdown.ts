/**
 * Whether this machine is being shut down. Services end then, restarts are
 * refused, and none of that says anything about a release.
 */
import { existsSync } from 'node:fs';
import { UpdaterError } from '../errors.ts';
import { stopIfTold, type Host } from '../host.ts';
import { readProgram } from './command.ts';

const ASK_TIMEOUT_MS = 10_000;

/** Throws `UpdaterError` INTERRUPTED when this process, or the machine, was told to stop. */
export async function stopIfShuttingDown({ signal }: Host): Promise<void> {
  stopIfTold(signal);
  if (!(await isShuttingDown())) return;
  throw new UpdaterError('INTERRUPTED', 'this machine is shutting down: no verdict was reached', {
    hint: "what was begun is finished or undone after the next boot, by 'updater verify'",
  });
}

async function isShuttingDown(): Promise<boolean> {
  if (existsSync('/run/openrc/rc.stopping')) return true;
  if (!existsSync('/run/systemd/system')) return false;
  const ask = ['systemctl', 'show', '--property=SystemState', '--value'];
  return (await readProgram(ask, ASK_TIMEOUT_MS)) === 'stopping';
}
