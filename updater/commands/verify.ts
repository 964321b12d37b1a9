/** `updater verify`: finish or undo what a crash left, at boot or when somebody asks; then, does what runs pass? */
import type { Command } from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import { refuseCorrupt } from '../corrupt.ts';
import { probeNow } from '../effects/probe.ts';
import type { Outcome } from '../facts.ts';
import type { Host } from '../host.ts';
import type { Settled } from '../machine.ts';
import { type Settlement, settle } from '../settle.ts';
import {
  DRY_RUN,
  openToLook,
  readConfig,
  untilToldToStop,
  withLock,
  withLockInTurn,
} from './session.ts';
import { describeState, probeLines } from './words.ts';

/** `updater verify`: settles what a crash left. A probe for the asking alone changes nothing. */
export const verify: Command = {
  name: 'verify',
  summary: 'finish or undo what a crash left, and probe what runs; with --boot for every boot',
  options: {
    boot: {
      help: 'probe only what has no verdict for good; exit code 0 also when a release was left',
    },
    ...DRY_RUN,
  },
  details: [
    'Asks no mirror. What was committed or gone back to before is probed, and stays whatever that says;',
    'at boot it is not probed, for no boot is to fail or wait for that.',
    'Exit code 0: what runs is settled, and passes; 1: a release was left just now, or what runs does not',
    'pass; 3: a state file is corrupt, nothing was changed.',
  ],
  async run(context) {
    if (context.flag('dry-run')) {
      const host = openToLook(context, new AbortController().signal);
      refuseCorrupt(host);
      const { marker, state } = host.store;
      context.result(
        { dryRun: true, marker: marker ?? null, state },
        foresee(host, context.flag('boot')),
      );
      return ExitCode.done;
    }
    const isBoot = context.flag('boot');
    // A service that is given up at boot has the updater called, too: what comes first makes the other wait.
    const lock = isBoot ? withLockInTurn : withLock;
    const config = readConfig(context);
    const { state, left, found } = await untilToldToStop((signal) =>
      lock(context, config, 'verify', signal, (host) => settleAndProbe(host, isBoot)),
    );
    context.result(
      { state, left: left?.version ?? null, probe: found ?? null },
      toLines(state, found),
    );
    const isFine = left === undefined || isBoot;
    const passes = found === undefined ? state.name !== 'degraded' : found.rank === 'healthy';
    return isFine && passes ? ExitCode.done : ExitCode.failed;
  },
};

/** `found`: a probe that nothing but the question called for. */
async function settleAndProbe(
  host: Host,
  isBoot: boolean,
): Promise<Settlement & { found?: Outcome }> {
  const settlement = await settle(host, { online: false });
  const { unprobed } = settlement;
  if (isBoot || unprobed === undefined) return settlement;
  return { ...settlement, found: await probeNow(host, unprobed) };
}

function toLines(state: Settled, found: Outcome | undefined): string[] {
  const { running } = state;
  if (found === undefined || running === undefined) return [describeState(state)];
  const before = state.name === 'rolled-back' ? [describeState(state)] : [];
  return [...before, ...probeLines(running.deployment, found)];
}

function foresee({ store: { marker, state } }: Host, isBoot: boolean): string {
  if (marker !== undefined) {
    return `what was left at ${marker.to.version}, '${marker.phase}', attempt ${marker.attempt}, would be settled`;
  }
  const version = state.running?.deployment.version;
  if (state.name === 'probation' || state.name === 'degraded') {
    return `${version} would be probed again`;
  }
  const probed = isBoot || version === undefined ? '' : `; ${version} would be probed`;
  return `nothing is left to settle${probed}`;
}
