/** The `mirrors` command, for those who run mirrors. A command is loaded when it is asked for. */
import { runAsProcess } from '@landfall/cli';

void runAsProcess({
  name: 'mirrors',
  version: '0.1.0',
  summary: 'sees which mirrors are live, current and complete, repairs those that are not',
  commands: {
    init: async () => (await import('./commands/init.ts')).init,
    serve: async () => (await import('./commands/serve.ts')).serve,
    status: async () => (await import('./commands/status.ts')).status,
    sync: async () => (await import('./commands/sync.ts')).sync,
    audit: async () => (await import('./commands/audit.ts')).audit,
    doctor: async () => (await import('./commands/audit.ts')).doctor,
    prune: async () => (await import('./commands/prune.ts')).prune,
    announce: async () => (await import('./commands/announce.ts')).announce,
  },
});
