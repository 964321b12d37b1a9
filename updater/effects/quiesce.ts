/**
 * Stops, in the order of the configuration, what must not run while releases
 * change, and starts it again in reverse. Only what ran is started. What was
 * stopped stands in `quiesced.json` before it is stopped, so that a start after
 * a crash knows what to start, with or without a marker.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { crashPoint, formatDuration } from '@landfall/cli';
import type { QuiesceConfig } from '../config-hooks.ts';
import { UpdaterError } from '../errors.ts';
import { timestamp, tryTo, type Host } from '../host.ts';
import { readQuiesced, writeQuiesced, type Quiesced } from '../records/quiesced-file.ts';
import { readProgram, runProgram } from '../services/command.ts';
import { isActive, quiesceCommand } from '../services/manager.ts';

const POLL_MS = 100;

/**
 * Stops every service of `[[quiesce]]` that runs. Throws `UpdaterError`
 * COMMAND for the first that does not stop; those before it stay stopped, and
 * are known to be.
 */
export async function quiesce(host: Host): Promise<void> {
  const { config, paths } = host;
  for (const service of config.quiesce) {
    const known = stoppedIn(host);
    const isRecorded = known?.names.includes(service.name) ?? false;
    if (!isRecorded) {
      if ((await isActive(service)) === false) continue;
      const { at, names } = known ?? { at: timestamp(), names: [] };
      writeQuiesced(paths.quiesced, { at, names: [...names, service.name] });
    }
    crashPoint('quiesce-recorded');
    const problem = await run(host, service, 'stop');
    crashPoint('quiesce-stopped');
    if (problem === undefined) continue;
    throw new UpdaterError('COMMAND', `service '${service.name}' did not stop: ${problem}`, {
      hint: `nothing is switched while it may run; what it printed is in ${paths.logs}`,
    });
  }
}

/**
 * Starts what was stopped, the last one first. Resolves to why one did not
 * start, if one did not: it stays in `quiesced.json`, for the next start.
 */
export async function unquiesce(host: Host): Promise<string | undefined> {
  const { config, paths, journal } = host;
  const stopped = stoppedIn(host);
  if (stopped === undefined) return undefined;
  let first: string | undefined;
  const { at } = stopped;
  let { names } = stopped;
  for (const name of names.toReversed()) {
    const service = config.quiesce.find((each) => each.name === name);
    const problem = service === undefined ? undefined : await run(host, service, 'start');
    crashPoint('quiesce-started');
    if (service === undefined) host.note(`'${name}' was stopped, and is not configured any more`);
    if (problem === undefined) {
      names = names.filter((each) => each !== name);
      tryTo(host, () => writeQuiesced(paths.quiesced, { at, names }));
      continue;
    }
    const reason = `service '${name}' did not start again: ${problem}`;
    host.note(reason);
    tryTo(host, () => journal.append({ at: timestamp(), stopped: name, problem }));
    first ??= reason;
  }
  return first;
}

/** What an earlier run stopped and could not start. Does nothing when there is nothing. */
export async function startLeftStopped(host: Host): Promise<void> {
  const stopped = stoppedIn(host);
  if (stopped === undefined) return;
  host.note(`an earlier run left ${stopped.names.join(', ')} stopped: starting`);
  await unquiesce(host);
}

/** If the file makes no sense, everything configured may be stopped: starting it is harmless. */
function stoppedIn({ config, paths }: Host): Quiesced | undefined {
  const file = readQuiesced(paths.quiesced);
  if (file !== 'corrupt') return file;
  return { schema: 1, at: timestamp(), names: config.quiesce.map((each) => each.name) };
}

async function run(
  host: Host,
  service: QuiesceConfig,
  action: 'stop' | 'start',
): Promise<string | undefined> {
  const { name, manager, timeout } = service;
  const deadline = performance.now() + timeout;
  const argv = quiesceCommand(service, action);
  if (manager === 'systemd' && action === 'start') {
    await readProgram(['systemctl', 'reset-failed', name], timeout);
  }
  host.log.write('services', `${name}: ${argv.join(' ')}`);
  const failed = await host.log.withOutput('services', (output) =>
    runProgram(argv, { timeoutMs: timeout, output }),
  );
  if (failed !== undefined) return failed;
  // A service manager says that it is done; whether the service thinks so too is asked.
  const wanted = action === 'start';
  while ((await isActive(service)) === !wanted) {
    if (performance.now() >= deadline) {
      return `it was ${wanted ? 'not running' : 'still running'} after ${formatDuration(timeout)}`;
    }
    await sleep(POLL_MS);
  }
  return undefined;
}
