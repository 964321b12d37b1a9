/**
 * Debian's `minisign` program, to hold our keys and signatures against. It
 * reads passwords from standard input when that is no terminal.
 */
import { spawnSync } from 'node:child_process';

export interface MinisignOutcome {
  code: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs minisign in `folder` and waits for it. `passwords` are typed in, one a
 * line. Throws when it is not installed.
 */
export function runMinisign(
  folder: string,
  args: readonly string[],
  passwords: readonly string[] = [],
): MinisignOutcome {
  const done = spawnSync('minisign', args, {
    cwd: folder,
    input: passwords.map((each) => `${each}\n`).join(''),
    env: { ...process.env, MINISIGN_CONFIG_DIR: folder },
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (done.error !== undefined) {
    throw new Error('cannot run minisign: install it with: apt-get install minisign', {
      cause: done.error,
    });
  }
  return { code: done.status ?? -1, stdout: done.stdout, stderr: done.stderr };
}

/** Like `runMinisign`, for what must succeed. Returns standard output. */
export function minisign(
  folder: string,
  args: readonly string[],
  passwords: readonly string[] = [],
): string {
  const { code, stdout, stderr } = runMinisign(folder, args, passwords);
  if (code !== 0)
    throw new Error(`minisign ${args.join(' ').slice(0, 200)}: exit ${code}: ${stderr}${stdout}`);
  return stdout;
}
