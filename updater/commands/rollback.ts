/** `updater rollback`: leave what runs, by an operator's word. */
import { type Command, CliError } from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import { pickTarget, rollBack, type RollbackWish } from '../roll-back.ts';
import { DRY_RUN, openToLook, withHost } from './session.ts';
import { describeState } from './words.ts';

export const rollback: Command = {
  name: 'rollback',
  summary: 'go back to what ran before, or to a release that is kept on this node',
  options: {
    to: { value: 'VERSION', help: 'a version, or the name of a deployment, kept on this node' },
    reason: { value: 'TEXT', help: 'why; it is written down and shown by status' },
    'lift-quarantine': { help: 'with --to: go back to it although it failed on this node' },
    ...DRY_RUN,
  },
  details: [
    'What is left is quarantined: it is not installed again by itself. The floor stays where it is.',
    'Exit code 0: the other release runs and passes; 1: it runs and does not pass; 3: refused.',
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
    };
    if (context.flag('dry-run')) {
      const target = pickTarget(openToLook(context, new AbortController().signal), wish);
      context.result(
        { dryRun: true, target },
        'code' in target
          ? refusalLines(target)
          : `it would be rolled back to ${target.version} (${target.id})`,
      );
      return 'code' in target ? ExitCode.refused : ExitCode.done;
    }
    const result = await withHost(context, 'rollback', (host) => rollBack(host, wish));
    if (result.outcome === 'declined') {
      context.result(result, refusalLines(result.decline));
      return ExitCode.refused;
    }
    context.result(result, describeState(result.state));
    return result.state.name === 'rolled-back' ? ExitCode.done : ExitCode.failed;
  },
};

function refusalLines({ reason, hint }: { reason: string; hint?: string }): string[] {
  return [`not rolled back: ${reason}`, ...(hint === undefined ? [] : [`  hint: ${hint}`])];
}
