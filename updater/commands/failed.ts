/**
 * `updater failed UNIT`: the service manager gave a service up. Its unit
 * `updater-failed@.service` runs this, through `OnFailure=` of the service.
 *
 * An updater that is at work has the first word: this waits for it, and then
 * goes by what is true by then. What it has rolled back runs again.
 */
import { type Command, CliError, type Context } from '@landfall/cli';
import { DurableError } from '@landfall/durable';
import { ExitCode } from '@landfall/errors';
import type { Config, ServiceConfig } from '../config.ts';
import type { Host } from '../host.ts';
import { serviceFailed } from '../service-failed.ts';
import { findFailure } from '../services/manager.ts';
import { toUnitName } from '../units/systemd.ts';
import { DRY_RUN, openToLook, readConfig, untilToldToStop, withLockInTurn } from './session.ts';
import { describeState } from './words.ts';

/** `updater failed`: a service was given up; a release that is not committed is rolled back. */
export const failed: Command = {
  name: 'failed',
  args: 'UNIT',
  arity: [1, 1],
  summary: 'a service was given up: leave the release if it is not committed yet; for OnFailure=',
  options: DRY_RUN,
  details: [
    "UNIT is a service of the configuration. 'updater units install' has systemd call this. Before the",
    'release is committed it is rolled back; afterwards it is only written down.',
    'Exit code 0: what runs now is settled, or another updater settles it; 1: what runs does not pass.',
  ],
  async run(context) {
    const config = readConfig(context);
    const service = findService(config, context.positionals[0] ?? '');
    if (context.flag('dry-run')) return rehearse(context, service);
    return untilToldToStop((signal) => waitForTurn(context, config, service, signal));
  },
};

/** Leaves it to the updater that is at work when that takes too long. */
async function waitForTurn(
  context: Context,
  config: Config,
  service: ServiceConfig,
  signal: AbortSignal,
): Promise<ExitCode> {
  try {
    return await withLockInTurn(context, config, 'failed', signal, (host) =>
      judge(context, host, service),
    );
  } catch (error) {
    if (!(error instanceof DurableError) || error.code !== 'LOCKED') throw error;
    const what = `left to the updater that is at work: ${error.message}`;
    context.result({ outcome: 'left-to-other' }, what);
    return ExitCode.done;
  }
}

async function judge(context: Context, host: Host, service: ServiceConfig): Promise<ExitCode> {
  const failure = await findFailure(service);
  if (failure === undefined) {
    const what = `service '${service.name}' is not given up any more`;
    context.result({ outcome: 'not-failed' }, `${what}: nothing is done`);
    return ExitCode.done;
  }
  const { state, left } = await serviceFailed(host, service.name, failure);
  const outcome = left === undefined ? 'noted' : 'left';
  context.result({ outcome, left: left?.version ?? null, state }, [
    `service '${service.name}' was given up: ${failure}`,
    describeState(state),
  ]);
  return state.name === 'degraded' ? ExitCode.failed : ExitCode.done;
}

async function rehearse(context: Context, service: ServiceConfig): Promise<ExitCode> {
  const { store } = openToLook(context, new AbortController().signal);
  const failure = await findFailure(service);
  const release = store.marker?.to ?? store.state.running?.deployment;
  const isOpen = store.marker !== undefined || store.state.name === 'probation';
  const wouldLeave = failure !== undefined && isOpen;
  const why = failure === undefined ? 'is not given up' : `was given up: ${failure}`;
  const what = wouldLeave
    ? `${release?.version} is not committed and would be left`
    : 'nothing would be rolled back';
  context.result(
    { dryRun: true, failure: failure ?? null, wouldLeave },
    `service '${service.name}' ${why}; ${what}`,
  );
  return ExitCode.done;
}

function findService({ services, file }: Config, name: string): ServiceConfig {
  const found = services.find((each) => toUnitName(each) === toUnitName({ name }));
  if (found !== undefined) return found;
  const known = services.map((each) => `'${each.name}'`).join(', ');
  throw new CliError(
    'USAGE',
    `expected a service of '${file}' (${known === '' ? 'it has none' : known}), found '${name}'`,
    "after changing the services run 'updater units install' again",
  );
}
