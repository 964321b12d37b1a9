/** A second machine that publishes the same project, and a publication that is held up meanwhile. */
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReleaseConfig } from '@landfall/release';
import { type CommandOptions, type Outcome, startCommand } from './command.ts';
import type { Project } from './project.ts';

/** Holds builds up until a file `go` is in the working folder, which is then gone again. */
const HOLD_UP = ['sh', '-c', 'touch begun; until [ -e go ]; do sleep 0.05; done; rm -f begun go'];

/** Lets every build from now on be held up. */
export function holdUp(config: ReleaseConfig): void {
  for (const component of config.components.slice(0, 1)) component.before = [HOLD_UP];
}

/** Runs a command in a project's working folder on another machine. */
export type Elsewhere = (args: readonly string[], options?: CommandOptions) => Promise<Outcome>;

/** The same project on a second machine: same keys and mirrors, a working folder of its own. */
export function secondMachine(site: Project, env: CommandOptions['env'] = {}): Elsewhere {
  const cwd = join(site.root, 'elsewhere');
  execFileSync('cp', ['-a', site.directory, cwd]);
  rmSync(join(cwd, '.release'), { recursive: true, force: true });
  return (args, options = {}) => {
    writeFileSync(join(cwd, 'go'), '');
    return site.release(args, { ...options, cwd, env: { ...env, ...options.env } });
  };
}

/** Runs `release` here, and `meanwhile` while its build is held up. */
export async function whileHeldUp(
  site: Project,
  args: readonly string[],
  meanwhile: () => Promise<void>,
  env: CommandOptions['env'] = {},
): Promise<Outcome> {
  const running = startCommand('release', args, { cwd: site.directory, env });
  while (!existsSync(join(site.directory, 'begun'))) {
    if (running.child.exitCode !== null) break;
    await sleep(50);
  }
  await meanwhile();
  writeFileSync(join(site.directory, 'go'), '');
  return running.done;
}
