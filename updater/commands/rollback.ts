/** `updater rollback`: leave what runs, by an operator's word. */
import { type Command, CliError, type Context } from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import { refuseUnfinishedAdoption } from '../records/adoption-file.ts';
import { findSnapshot, RESTORE, snapshotOffered } from '../restore.ts';
import { pickTarget, rollBack, type RollbackResult, type RollbackWish } from '../roll-back.ts';
import { DRY_RUN, openToLook, withHost } from './session.ts';
import { describeState } from './words.ts';

/** `updater rollback`: goes to another release that is kept here, and quarantines what it left. */
export const rollback: Command = {
  name: 'rollback',
  summary: 'go back to what ran before, or to a release that is kept on this node',
  options: {
    to: { value: 'VERSION', help: 'a version, or the name of a deployment, kept on this node' },
    reason: { value: 'TEXT', help: 'why; it is written down and shown by status' },
    'restore-snapshot': {
      help: 'also bring the data back as it was before what is left was installed',
    },
    'lift-quarantine': { help: 'with --to: go back to it although it failed on this node' },
    ...DRY_RUN,
  },
  details: [
    'What is left is quarantined: it is not installed again by itself. The floor stays where it is.',
    'Data is left alone unless --restore-snapshot is given: services of [[quiesce]] are stopped then,',
    'and what was written since that snapshot is not in the data any more.',
    'Exit code 0: the other release runs and passes; 1: it does not pass; 3: refused.',
  ],
  async run(context) {
    const reason = context.text('reason')?.trim();
    if (reason === undefined || reason === '') {
      throw new CliError(
        'USAGE',
        '--reason: expected why it is rolled back, found nothing',
        "write it for whoever reads 'updater status' next: --reason 'login page is blank'",
      );
    }
    const wish: RollbackWish = {
      to: context.text('to'),
      reason,
      liftQuarantine: context.flag('lift-quarantine'),
      restoreSnapshot: context.flag('restore-snapshot'),
    };
    if (context.flag('dry-run')) return tellRehearsal(context, wish);
    const result = await withHost(context, 'rollback', (host) => rollBack(host, wish));
    if (result.outcome === 'declined') {
      context.result(result, refusalLines(result.decline));
      return ExitCode.refused;
    }
    const problem = 'problem' in result ? result.problem : undefined;
    context.result(result, [...resultLines(result), ...(problem === undefined ? [] : [problem])]);
    return isBack(result) && problem === undefined ? ExitCode.done : ExitCode.failed;
  },
};

/** Whether it is where it was to go: the golden deployment is gone to where that did not pass. */
function isBack(result: Exclude<RollbackResult, { outcome: 'declined' }>): boolean {
  const { outcome, state } = result;
  if (outcome === 'data-restored') return true;
  const isThere = outcome !== 'done' || state.running?.deployment.id === result.target.id;
  return state.name === 'rolled-back' && isThere;
}

function tellRehearsal(context: Context, wish: RollbackWish): ExitCode {
  const host = openToLook(context, new AbortController().signal);
  refuseUnfinishedAdoption(host.paths);
  const data = wish.restoreSnapshot && wish.to === undefined ? snapshotOffered(host) : undefined;
  if (data !== undefined) {
    context.result(
      { dryRun: true, snapshot: data.name },
      `the data of ${data.name} would come back`,
    );
    return ExitCode.done;
  }
  const target = pickTarget(host, wish);
  if ('code' in target) {
    context.result({ dryRun: true, target }, refusalLines(target));
    return ExitCode.refused;
  }
  const snapshot = findSnapshot(host, host.store.state.running?.deployment, target)?.name;
  const lines = [`it would be rolled back to ${target.version} (${target.id})`];
  if (snapshot !== undefined) {
    lines.push(
      wish.restoreSnapshot
        ? `and the data of ${snapshot} would come back`
        : `the data would stay as it is; --restore-snapshot brings ${snapshot} back, from before the update`,
    );
  }
  context.result({ dryRun: true, target, snapshot: snapshot ?? null }, lines);
  return ExitCode.done;
}

function resultLines(result: Exclude<RollbackResult, { outcome: 'declined' }>): string[] {
  if (result.outcome === 'finished') return [describeState(result.state)];
  if (result.outcome === 'data-restored') {
    return result.problem === undefined ? [`the data is that of ${result.snapshot} again`] : [];
  }
  const lines = [describeState(result.state)];
  if (result.snapshot === undefined) return lines;
  lines.push(
    result.restored
      ? `the data is that of ${result.snapshot} again`
      : `the data is as it was; to bring ${result.snapshot} back, from before the update: ${RESTORE}`,
  );
  return lines;
}

function refusalLines({ reason, hint }: { reason: string; hint?: string }): string[] {
  return [`not rolled back: ${reason}`, ...(hint === undefined ? [] : [`  hint: ${hint}`])];
}
