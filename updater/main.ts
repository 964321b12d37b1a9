/** The `updater` command, for nodes. */
import './frugal.ts';
import { runAsProcess } from '@landfall/cli';
import { adopt } from './commands/adopt.ts';
import { apply, once } from './commands/apply.ts';
import { check } from './commands/check.ts';
import { failed } from './commands/failed.ts';
import { golden } from './commands/golden.ts';
import { heal } from './commands/heal.ts';
import { history } from './commands/history.ts';
import { hold, unhold } from './commands/hold.ts';
import { init } from './commands/init.ts';
import { licences } from './commands/licences.ts';
import { rollback } from './commands/rollback.ts';
import { run } from './commands/run.ts';
import { selfCheck } from './commands/self-check.ts';
import { COMMON_OPTIONS } from './commands/session.ts';
import { status } from './commands/status.ts';
import { units } from './commands/units.ts';
import { verify } from './commands/verify.ts';
import { UNPACK_FLAG } from './effects/unpack-apart.ts';
import { runUnpack } from './effects/unpack-process.ts';
import { GATE_FLAG, runGate } from './effects/web-user.ts';
import { UPDATER_VERSION } from './version.ts';

const [first, ...rest] = process.argv.slice(2);

if (first === GATE_FLAG) {
  runGate(rest);
} else if (first === UNPACK_FLAG) {
  void runUnpack(rest);
} else {
  void runAsProcess({
    name: 'updater',
    version: UPDATER_VERSION,
    summary:
      'takes releases, proves on this node that they work, and goes back from those that do not',
    options: COMMON_OPTIONS,
    commands: [
      init,
      adopt,
      check,
      apply,
      once,
      run,
      verify,
      failed,
      rollback,
      golden,
      heal,
      hold,
      unhold,
      status,
      history,
      units,
      selfCheck,
      licences,
    ],
  });
}
