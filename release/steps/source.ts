/**
 * Where the bytes come from: the commit they were built at and the time that
 * every packed file gets. A checkout with changes that no commit names is
 * refused, because nobody could build that release again.
 */
import { execa } from 'execa';
import { ExitCode } from '@landfall/errors';
import { childEnvironment, CliError } from '@landfall/cli';
import { ReleaseError } from '../errors.ts';

/** What is built, as git and the environment tell it. */
export interface Source {
  /** 40 hex digits, or empty outside of a checkout. */
  readonly commit: string;
  /** The folder that was asked about, in the checkout: empty at its top or outside of one, else `a/b/`. */
  readonly folder: string;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Where `mtime` is from, for people. */
  readonly clock: 'SOURCE_DATE_EPOCH' | 'commit' | 'now';
}

/**
 * Looks at the checkout that `directory` is in, if it is in one. Throws
 * `ReleaseError` GIT_DIRTY, GIT_FAILED.
 */
export async function sourceOf(
  directory: string,
  options: { requireClean: boolean; environment?: NodeJS.ProcessEnv },
): Promise<Source> {
  const epoch = epochOf(options.environment ?? process.env);
  const head = await headOf(directory);
  if (head !== undefined && options.requireClean) await refuseDirty(directory);
  const mtime = epoch ?? head?.time ?? Math.floor(Date.now() / 1000);
  return {
    commit: head?.commit ?? '',
    folder: head?.folder ?? '',
    mtime,
    clock: epoch !== undefined ? 'SOURCE_DATE_EPOCH' : head !== undefined ? 'commit' : 'now',
  };
}

function epochOf(environment: NodeJS.ProcessEnv): number | undefined {
  const text = environment['SOURCE_DATE_EPOCH'];
  if (text === undefined || text === '') return undefined;
  if (/^\d{1,11}$/.test(text)) return Number(text);
  throw new CliError(
    'USAGE',
    `SOURCE_DATE_EPOCH: expected seconds since 1970, found '${text.slice(0, 40)}'`,
    'unset it, or set it to a whole number: git log -1 --format=%ct',
  );
}

/** The commit that is checked out, or undefined outside of a checkout. */
async function headOf(
  directory: string,
): Promise<(Pick<Source, 'commit' | 'folder'> & { time: number }) | undefined> {
  const inside = await git(directory, ['rev-parse', '--is-inside-work-tree', '--show-prefix']);
  if (inside.exitCode !== 0) {
    if (inside.missing || /not a git repository/i.test(inside.stderr)) return undefined;
    throw gitFailed('look at the checkout', inside.stderr);
  }
  // Not `log`, to which a user's configuration adds lines: about signatures, say.
  const head = await git(directory, ['rev-list', '--max-count=1', '--timestamp', 'HEAD']);
  const match = /^(\d+) ([0-9a-f]{40,64})$/.exec(head.stdout.trim());
  if (head.exitCode !== 0 || match?.[2] === undefined) {
    throw gitFailed('find the commit that is checked out', head.stderr);
  }
  const folder = inside.stdout.split('\n')[1] ?? '';
  return { commit: match[2], folder, time: Number(match[1]) };
}

async function refuseDirty(directory: string): Promise<void> {
  const status = await git(directory, ['status', '--porcelain', '--untracked-files=normal']);
  if (status.exitCode !== 0) throw gitFailed('see what changed', status.stderr);
  const changed = status.stdout.split('\n').filter((line) => line !== '');
  if (changed.length === 0) return;
  const shown = changed.slice(0, 5).map((line) => `'${line.slice(3)}'`);
  if (changed.length > shown.length) shown.push(`and ${changed.length - shown.length} more`);
  throw new ReleaseError(
    'GIT_DIRTY',
    `the checkout has changes that no commit names: ${shown.join(', ')}`,
    { hint: 'commit them, or add what is built to .gitignore' },
  );
}

/** How git ended. `missing`: it is not installed; `exitCode` is undefined when it was killed. */
export interface GitAnswer {
  exitCode: number | undefined;
  stdout: string;
  stderr: string;
  missing: boolean;
}

/** Runs git in `directory`; without our secrets, never asking, for a minute at most. */
export async function git(directory: string, args: readonly string[]): Promise<GitAnswer> {
  const result = await execa('git', ['-C', directory, ...args], {
    reject: false,
    stdin: 'ignore',
    stripFinalNewline: false,
    extendEnv: false,
    env: {
      ...childEnvironment(),
      LC_ALL: 'C',
      GIT_OPTIONAL_LOCKS: '0',
      GIT_TERMINAL_PROMPT: '0',
    },
    timeout: 60_000,
  });
  return {
    exitCode: result.exitCode,
    stdout: result.stdout,
    stderr: result.stderr,
    missing: result.code === 'ENOENT',
  };
}

function gitFailed(doing: string, stderr: string): ReleaseError {
  const [line] = stderr.split('\n').filter((each) => each.trim() !== '');
  return new ReleaseError('GIT_FAILED', `git cannot ${doing}: ${line ?? 'it said nothing'}`, {
    hint: "run 'git status' in the folder of the configuration; a release needs a commit",
    exit: ExitCode.failed,
  });
}
