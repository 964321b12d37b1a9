/** The `release` command, for maintainers. */
import { runAsProcess } from '@landfall/cli';
import { buildCommand } from './commands/build.ts';
import { checkCommand } from './commands/check.ts';
import { haltCommand, resumeCommand } from './commands/halt.ts';
import { initCommand } from './commands/init.ts';
import { keygenCommand } from './commands/keygen.ts';
import { diffCommand } from './commands/diff.ts';
import { notesCommand } from './commands/notes.ts';
import { promoteCommand } from './commands/promote.ts';
import { renewCommand } from './commands/renew.ts';
import { rolloutCommand } from './commands/rollout.ts';
import { shipCommand } from './commands/ship.ts';
import { signCommand } from './commands/sign.ts';
import { statusCommand } from './commands/status.ts';
import { trustCommand } from './commands/trust.ts';
import { verifyCommand } from './commands/verify.ts';
import { withdrawCommand } from './commands/withdraw.ts';
import { CONFIG_FILE } from './load-config.ts';

void runAsProcess({
  name: 'release',
  version: '0.1.0',
  summary: 'builds, signs and ships releases to all mirrors',
  options: { config: { value: 'FILE', help: `the configuration; ${CONFIG_FILE} unless told` } },
  commands: [
    initCommand,
    keygenCommand,
    buildCommand,
    checkCommand,
    shipCommand,
    signCommand,
    trustCommand,
    promoteCommand,
    withdrawCommand,
    haltCommand,
    resumeCommand,
    renewCommand,
    rolloutCommand,
    notesCommand,
    diffCommand,
    statusCommand,
    verifyCommand,
  ],
});
