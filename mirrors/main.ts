/** The `mirrors` command, for those who run mirrors. */
import { main } from '@landfall/cli';
import { init } from './commands/init.ts';
import { serve } from './commands/serve.ts';
import { status } from './commands/status.ts';

process.exitCode = await main(
  {
    name: 'mirrors',
    version: '0.1.0',
    summary: 'sees which mirrors are live, current and complete, and serves a folder as one',
    commands: [init, serve, status],
  },
  process.argv.slice(2),
);
