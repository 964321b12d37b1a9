/** `updater verify`: at boot, finish or undo what a crash left. */
import type { Command } from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import { refuseCorrupt } from '../corrupt.ts';
import { settle } from '../settle.ts';
import {
  DRY_RUN,
  openToLook,
  readConfig,
  untilToldToStop,
  withLock,
  withLockInTurn,
} from './session.ts';
import { describeState } from './words.ts';

export const verify: Command = {
  name: 'verify',
  summary: 'finish or undo what a crash left, and probe what is in probation; for every boot',
  options: {
    boot: { help: 'exit code 0 also when a release was left and what runs now passes' },
    ...DRY_RUN,
  },
  details: [
    'Asks no mirror. Exit code 0: what runs is settled; 1: a release was left just now, or what runs',
    'does not pass; 3: a state file is corrupt, nothing was changed.',
  ],
  async run(context) {
    if (context.flag('dry-run')) {
      const host = openToLook(context, new AbortController().signal);
      refuseCorrupt(host);
      const { marker, state } = host.store;
      const what =
        marker === undefined
          ? state.name === 'probation' || state.name === 'degraded'
            ? `${state.running.deployment.version} would be probed again`
            : 'nothing is left to settle'
          : `what was left at ${marker.to.version}, '${marker.phase}', attempt ${marker.attempt}, would be settled`;
      context.result({ dryRun: true, marker: marker ?? null, state }, what);
      return ExitCode.done;
    }
    const isBoot = context.flag('boot');
    // A service that is given up at boot has the updater called, too: what comes first makes the other wait.
    const lock = isBoot ? withLockInTurn : withLock;
    const config = readConfig(context);
    const { state, left } = await untilToldToStop((signal) =>
      lock(context, config, 'verify', signal, (host) => settle(host, { online: false })),
    );
    context.result({ state, left: left?.version ?? null }, describeState(state));
    const isFine = left === undefined || isBoot;
    return isFine && state.name !== 'degraded' ? ExitCode.done : ExitCode.failed;
  },
};
