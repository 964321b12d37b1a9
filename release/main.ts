/** The `release` command, for maintainers. A command is loaded when it is asked for. */
import { runAsProcess } from '@landfall/cli';
import { CONFIG_FILE } from './config-file.ts';

void runAsProcess({
  name: 'release',
  version: '0.1.0',
  summary: 'builds, signs and ships releases to all mirrors',
  options: { config: { value: 'FILE', help: `the configuration; ${CONFIG_FILE} unless told` } },
  commands: {
    init: async () => (await import('./commands/init.ts')).initCommand,
    keygen: async () => (await import('./commands/keygen.ts')).keygenCommand,
    build: async () => (await import('./commands/build.ts')).buildCommand,
    check: async () => (await import('./commands/check.ts')).checkCommand,
    ship: async () => (await import('./commands/ship.ts')).shipCommand,
    sign: async () => (await import('./commands/sign.ts')).signCommand,
    trust: async () => (await import('./commands/trust.ts')).trustCommand,
    promote: async () => (await import('./commands/promote.ts')).promoteCommand,
    withdraw: async () => (await import('./commands/withdraw.ts')).withdrawCommand,
    halt: async () => (await import('./commands/halt.ts')).haltCommand,
    resume: async () => (await import('./commands/halt.ts')).resumeCommand,
    renew: async () => (await import('./commands/renew.ts')).renewCommand,
    rollout: async () => (await import('./commands/rollout.ts')).rolloutCommand,
    notes: async () => (await import('./commands/notes.ts')).notesCommand,
    diff: async () => (await import('./commands/diff.ts')).diffCommand,
    status: async () => (await import('./commands/status.ts')).statusCommand,
    verify: async () => (await import('./commands/verify.ts')).verifyCommand,
  },
});
