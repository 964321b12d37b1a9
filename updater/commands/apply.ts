/** `updater apply` and `updater once`: install what the mirrors offer, now. */
import { type Command, CliError, type Context } from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import { refuseCorrupt } from '../corrupt.ts';
import type { Host } from '../host.ts';
import { judgeMirrors } from '../judgement.ts';
import type { Wish } from '../offer.ts';
import { refuseUnfinishedAdoption } from '../records/adoption-file.ts';
import { settle } from '../settle.ts';
import { rehearse, update } from '../update.ts';
import { DRY_RUN, openToLook, untilToldToStop, withHost } from './session.ts';
import { declineLines, describeState, exitOfDecline, tellUpdate } from './words.ts';

/** `updater apply`: installs what is offered now, outside windows too; a hold stands in the way. */
export const apply: Command = {
  name: 'apply',
  args: '[VERSION]',
  arity: [0, 1],
  summary: 'install the newest release, or VERSION if that is what the mirrors offer',
  options: {
    'despite-hold': { help: 'install it although a hold stands; the hold stays' },
    'lift-quarantine': { help: 'with VERSION: try it again although it failed on this node' },
    ...DRY_RUN,
  },
  details: [
    'VERSION must be what the mirrors offer as newest: an older one that is kept on this node is',
    "reached with 'updater rollback --to VERSION'. Naming it says that it is wanted although it is",
    'older than what runs, or although what runs is still in probation.',
    'Maintenance windows, jitter and the limit a day do not stand in the way; a hold does.',
    'Exit code 0: it runs, or ran already; 1: tried and rolled back; 3: refused.',
  ],
  async run(context) {
    const version = context.positionals[0];
    const liftQuarantine = context.flag('lift-quarantine');
    if (liftQuarantine && version === undefined) {
      throw new CliError(
        'USAGE',
        '--lift-quarantine: expected the VERSION that it is for',
        "see 'updater apply --help'",
      );
    }
    const despiteHold = context.flag('despite-hold');
    const wish: Wish = { version, liftQuarantine, despiteHold, byHand: true };
    if (context.flag('dry-run')) return tellRehearsal(context, wish);
    return withHost(context, 'apply', (host) => settleAndUpdate(context, host, wish));
  },
};

/** `updater once`: what a timer runs. It keeps to windows, jitter and the limit a day. */
export const once: Command = {
  name: 'once',
  summary: 'settle what an earlier run left, check, and install what is new; for a timer',
  options: DRY_RUN,
  details: ['Exit code 0: nothing to do, or done; 1: tried and rolled back; 3: refused.'],
  async run(context) {
    if (context.flag('dry-run')) return tellRehearsal(context, {});
    return withHost(context, 'once', (host) => settleAndUpdate(context, host, {}));
  },
};

async function settleAndUpdate(context: Context, host: Host, wish: Wish): Promise<ExitCode> {
  const byHand = wish.byHand === true;
  const { state, left } = await settle(host, { online: true, patient: !byHand, hasty: byHand });
  if (left !== undefined) {
    context.result({ outcome: 'left', version: left.version, state }, [
      describeState(state),
      `nothing new was tried: run it again to go on`,
    ]);
    return ExitCode.failed;
  }
  const result = await update(host, state, wish);
  // Not before the switch, which need not wait for its code.
  const { followUpdater } = await import('../self/follow.ts');
  await followUpdater(host, result.state);
  const { lines, data, exit } = tellUpdate(result, wish.byHand);
  context.result(data, lines);
  return exit;
}

async function tellRehearsal(context: Context, wish: Wish): Promise<ExitCode> {
  return untilToldToStop(async (signal) => {
    const host = openToLook(context, signal);
    refuseCorrupt(host);
    refuseUnfinishedAdoption(host.paths);
    const { marker } = host.store;
    if (marker !== undefined) {
      context.note(
        `first, what was left at ${marker.to.version}, '${marker.phase}', would be settled`,
      );
    }
    const { offer, decline, problems } = await judgeMirrors(host, wish);
    if (decline === undefined && offer !== undefined) await rehearse(host, offer);
    const version = offer?.deployment.version ?? null;
    const lines = decline === undefined ? [`${version} would be installed`] : declineLines(decline);
    context.result(
      { dryRun: true, version, wouldInstall: decline === undefined, decline, mirrors: problems },
      decline?.code === 'up-to-date' ? [decline.reason] : lines,
    );
    return decline === undefined ? ExitCode.done : exitOfDecline(decline, wish.byHand);
  });
}
