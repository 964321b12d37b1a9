/**
 * The `updater` command, for nodes. A command, and each of the processes that
 * this program starts of itself, is loaded when it is asked for.
 */
import { runAsProcess } from '@landfall/cli';
import { beFrugal } from '@landfall/archive/frugal';
import { beOwnProgram } from './own-program.ts';
import { COMMON_OPTIONS, GATE_FLAG, INFLATE_FLAG, ROUND_FLAG, UNPACK_FLAG } from './program.ts';
import { UPDATER_VERSION } from './version.ts';

beOwnProgram(import.meta.url);
void start(process.argv.slice(2));

async function start([first, ...rest]: readonly string[]): Promise<void> {
  if (first === GATE_FLAG) return (await import('./effects/look-apart.ts')).runLook();
  if (first === UNPACK_FLAG) {
    const { runUnpack } = await import('./effects/unpack-process.ts');
    beFrugal([]);
    return runUnpack(rest);
  }
  if (first === ROUND_FLAG) return (await import('./commands/round.ts')).runRound(rest);
  if (first === INFLATE_FLAG) return (await import('./effects/inflate-process.ts')).runInflate();
  return runAsProcess({
    name: 'updater',
    version: UPDATER_VERSION,
    summary:
      'takes releases, proves on this node that they work, and goes back from those that do not',
    options: COMMON_OPTIONS,
    commands: {
      init: async () => (await import('./commands/init.ts')).init,
      adopt: async () => (await import('./commands/adopt.ts')).adopt,
      check: async () => (await import('./commands/check.ts')).check,
      apply: async () => (await import('./commands/apply.ts')).apply,
      once: async () => (await import('./commands/apply.ts')).once,
      run: async () => (await import('./commands/run.ts')).run,
      verify: async () => (await import('./commands/verify.ts')).verify,
      failed: async () => (await import('./commands/failed.ts')).failed,
      rollback: async () => (await import('./commands/rollback.ts')).rollback,
      golden: async () => (await import('./commands/golden.ts')).golden,
      heal: async () => (await import('./commands/heal.ts')).heal,
      hold: async () => (await import('./commands/hold.ts')).hold,
      unhold: async () => (await import('./commands/hold.ts')).unhold,
      status: async () => (await import('./commands/status.ts')).status,
      history: async () => (await import('./commands/history.ts')).history,
      units: async () => (await import('./commands/units.ts')).units,
      'self-check': async () => (await import('./commands/self-check.ts')).selfCheck,
      licences: async () => (await import('./commands/licences.ts')).licences,
    },
  });
}
