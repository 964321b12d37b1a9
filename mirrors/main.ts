/** The `mirrors` command, for those who run mirrors. */
import { runAsProcess } from '@landfall/cli';
import { announce } from './commands/announce.ts';
import { audit, doctor } from './commands/audit.ts';
import { init } from './commands/init.ts';
import { prune } from './commands/prune.ts';
import { serve } from './commands/serve.ts';
import { status } from './commands/status.ts';
import { sync } from './commands/sync.ts';

void runAsProcess({
  name: 'mirrors',
  version: '0.1.0',
  summary: 'sees which mirrors are live, current and complete, repairs those that are not',
  commands: [init, serve, status, sync, audit, doctor, prune, announce],
});
