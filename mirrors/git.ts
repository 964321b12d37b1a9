/**
 * Runs git. What a user, a repository or a system has configured does not
 * reach it, so that the same input makes the same commit everywhere; it never
 * asks a question; it is bounded in time and output. Secrets go in through
 * `GIT_CONFIG_*` in its environment, never through arguments or files.
 */
import { spawn } from 'node:child_process';
import { messageOf, systemCode } from '@landfall/errors';
import { MAX_MANIFEST_BYTES } from '@landfall/manifest';
import { MirrorError } from './errors.ts';

const MAX_OUTPUT = 1024 * 1024;
const LOCAL_TIMEOUT_MS = 60_000;

/** All that git gets of our own environment: no password of a key is among it. */
const PASSED = ['PATH', 'HOME', 'USER', 'TMPDIR', 'SSH_AUTH_SOCK', 'GIT_SSH_COMMAND'];

const CONFIG: Readonly<Record<string, string>> = {
  'core.hooksPath': '/dev/null',
  'credential.helper': '',
  'gc.auto': '0',
  'http.followRedirects': 'false',
  'http.lowSpeedLimit': '1000',
  'http.lowSpeedTime': '30',
  'i18n.commitEncoding': 'utf-8',
  'maintenance.auto': 'false',
  'protocol.allow': 'never',
  'protocol.http.allow': 'always',
  'protocol.https.allow': 'always',
  'protocol.ssh.allow': 'always',
  'safe.directory': '*',
};

/** One run of git: `input` is what it reads, `env` and `config` go beside what every run gets. */
export interface GitOptions {
  /** The bare repository; without it the command needs none. */
  repository?: string;
  input?: Uint8Array | string;
  env?: Readonly<Record<string, string>>;
  /** More configuration for this call; may hold secrets. */
  config?: Readonly<Record<string, string>>;
  /** One minute unless told. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** How git ended. `code` is null where it was killed: for its time, or over 1 MiB of output. */
export interface GitResult {
  code: number | null;
  stdout: string;
  /** The same as it came. */
  bytes: Buffer;
  stderr: string;
  timedOut: boolean;
}

/**
 * Runs git to its end, or kills it and its helpers when its time is over. Throws `MirrorError` CONFIG
 * when it cannot be run, and the signal's reason.
 */
export function runGit(args: readonly string[], options: GitOptions = {}): Promise<GitResult> {
  options.signal?.throwIfAborted();
  const where = options.repository === undefined ? [] : [`--git-dir=${options.repository}`];
  return new Promise((resolve, reject) => {
    // A group of its own, so that git's helpers (git-remote-https) end with it.
    const child = spawn('git', [...where, ...args], { env: environment(options), detached: true });
    let timedOut = false;
    const kill = (): void => killGroup(child.pid);
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, options.timeoutMs ?? LOCAL_TIMEOUT_MS);
    const onAbort = (): void => kill();
    options.signal?.addEventListener('abort', onAbort, { once: true });
    const stdout = gather(child.stdout, kill);
    const stderr = gather(child.stderr, kill);
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      if (options.signal?.aborted === true) reject(options.signal.reason as Error);
      else settle();
    };
    child.once('error', (error) => end(() => reject(cannotRun(error))));
    child.once('close', (code) =>
      end(() => {
        const bytes = stdout();
        const [text, complaints] = [bytes.toString('utf8'), stderr().toString('utf8')];
        resolve({ code, stdout: text, bytes, stderr: complaints, timedOut });
      }),
    );
  });
}

/**
 * Runs git on the scratch repository and returns its output without the last
 * newline. Throws `MirrorError` CONFIG when it fails.
 */
export async function localGit(
  repository: string,
  args: readonly string[],
  options: Omit<GitOptions, 'repository'> = {},
): Promise<string> {
  const result = await runGit(args, { ...options, repository });
  if (result.code === 0) return result.stdout.replace(/\n$/, '');
  throw new MirrorError(
    'CONFIG',
    '',
    `git ${args[0]} failed in '${repository}': ${lastLine(result.stderr)}`,
    { hint: 'this repository is only scratch space: delete it and run the command again' },
  );
}

/** A file of a commit, or undefined when it is not there, or larger than `maxBytes`. */
export async function fileOf(
  repository: string,
  commit: string,
  path: string,
  maxBytes = MAX_MANIFEST_BYTES,
): Promise<Uint8Array | undefined> {
  const { code, bytes } = await runGit(['cat-file', 'blob', `${commit}:${path}`], { repository });
  return code === 0 && bytes.length <= maxBytes ? bytes : undefined;
}

/** git's name of a tree that holds nothing, which every repository has. */
export const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

/** Whether commit `ancestor` is `descendant` or stands in its history. Both must be in the repository. */
export async function isAncestor(
  repository: string,
  ancestor: string,
  descendant: string,
): Promise<boolean> {
  const args = ['merge-base', '--is-ancestor', ancestor, descendant];
  return (await runGit(args, { repository })).code === 0;
}

/** The line of git's complaints that says most. */
export function lastLine(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  return lines.findLast((line) => /^(fatal|error|remote):/.test(line)) ?? lines.at(-1) ?? '';
}

function environment(options: GitOptions): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {
    GIT_ASKPASS: '',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_SSH_COMMAND: 'ssh -o BatchMode=yes',
    GIT_TERMINAL_PROMPT: '0',
    LC_ALL: 'C',
    ...options.env,
  };
  for (const name of PASSED) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  const config = Object.entries({ ...CONFIG, ...options.config });
  env['GIT_CONFIG_COUNT'] = String(config.length);
  for (const [index, [key, value]] of config.entries()) {
    env[`GIT_CONFIG_KEY_${index}`] = key;
    env[`GIT_CONFIG_VALUE_${index}`] = value;
  }
  return env;
}

function gather(stream: NodeJS.ReadableStream, kill: () => void): () => Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_OUTPUT) kill();
    else chunks.push(chunk);
  });
  return () => Buffer.concat(chunks);
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error;
  }
}

function cannotRun(error: Error): MirrorError {
  const missing = systemCode(error) === 'ENOENT';
  return new MirrorError(
    'CONFIG',
    '',
    `cannot run git: ${missing ? 'not found' : messageOf(error)}`,
    {
      cause: error,
      hint: 'install git and see that it is on the PATH',
    },
  );
}
