/**
 * The mode gate on the finished tree, as the user the web server runs as: a
 * process of its own that gives up its rights, then really goes from the root
 * of the file system to every file and opens it. Root could read anything, so
 * asking root proves nothing.
 */
import { spawn } from 'node:child_process';
import { openSync, closeSync, lstatSync, readdirSync, readSync } from 'node:fs';
import { describeMode } from '@landfall/archive';
import { describeSystemError, messageOf } from '@landfall/errors';
import { UpdaterError } from '../errors.ts';
import type { Host } from '../host.ts';
import { ownProgram } from '../own-program.ts';
import { GATE_FLAG } from '../program.ts';
import { readProgram } from '../services/command.ts';

const GATE_TIMEOUT_MS = 300_000;
const MAX_PROBLEMS = 5;
const BYTE = Buffer.alloc(1);
/** In the order of how telling they are; the last is a stranger to every file. */
const WEB_USERS = ['www-data', 'nginx', 'http', 'caddy', 'nobody'];

export interface User {
  name: string;
  uid: number;
  /** The first is the one it logs in with. */
  groups: number[];
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** A user of this machine by name, wherever its users are kept; undefined when there is none. */
export async function findUser(name: string): Promise<User | undefined> {
  const [uid, groups] = await Promise.all([
    readProgram(['id', '-u', name], 10_000),
    readProgram(['id', '-G', name], 10_000),
  ]);
  if (uid === undefined || groups === undefined) return undefined;
  return { name, uid: Number(uid), groups: groups.split(' ').map(Number) };
}

/** The user the web server is likely to run as, where nobody said so. */
export async function detectWebUser(): Promise<User | undefined> {
  for (const name of WEB_USERS) {
    const user = await findUser(name);
    if (user !== undefined) return user;
  }
  return undefined;
}

/** The configured user of the web server; undefined where none is. Throws `UpdaterError` WEB_USER when this machine does not know it. */
export async function configuredWebUser({ config }: Host): Promise<User | undefined> {
  const { web_user: name } = config;
  if (name === undefined) return undefined;
  const user = await findUser(name);
  if (user !== undefined) return user;
  throw new UpdaterError('WEB_USER', `'web_user': there is no user '${name}' on this machine`, {
    hint: `correct it in ${config.file}; 'id ${name}' shows what the machine knows of it`,
  });
}

/**
 * The web server's user: the configured one, else the likely one. Undefined where this process
 * could be no other than it is. Throws as `configuredWebUser`: root's own look would prove nothing.
 */
export async function findWebUser(host: Host): Promise<User | undefined> {
  if (!isRoot()) return undefined;
  return (await configuredWebUser(host)) ?? (await detectWebUser());
}

/**
 * Opens everything below `folder`, and the way there, as `user`, or as this process. Throws
 * `UpdaterError` WEB_USER naming what cannot be read, or has another mode than releases have.
 */
export async function gateAsWebUser(
  { config }: Host,
  folder: string,
  user: User | undefined,
): Promise<void> {
  const who = config.web_user ?? user?.name ?? 'the updater';
  const problems = user === undefined ? findUnreadable(folder) : await lookAs(user, folder);
  if (problems.length === 0) return;
  throw new UpdaterError('WEB_USER', `'${who}' cannot read the release: ${problems.join('; ')}`, {
    hint: `the web server would answer 403 or 500: check the modes of the folders above with 'namei -l ${folder}'`,
  });
}

/** The other side of `gateAsWebUser`: gives up rights, looks, prints a JSON list of problems. */
export function runGate([uid = '', groups = '', folder = '']: readonly string[]): void {
  const ids = groups.split(',').map(Number);
  process.setgroups?.(ids);
  process.setgid?.(ids[0] ?? -1);
  process.setuid?.(Number(uid));
  process.stdout.write(JSON.stringify(findUnreadable(folder)));
}

async function lookAs(user: User, folder: string): Promise<string[]> {
  const { name, uid, groups } = user;
  const [program = '', ...own] = ownProgram();
  const argv = [...own, GATE_FLAG, String(uid), groups.join(','), folder];
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(program, argv, {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: GATE_TIMEOUT_MS,
    env: {},
    cwd: '/',
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text.slice(0, 2000)));
  child.once('error', reject);
  child.once('close', (code) => {
    if (code === 0) return resolve(output);
    const why = errors.trim().split('\n').at(-1) ?? `exit code ${code}`;
    reject(new UpdaterError('WEB_USER', `could not look at the release as '${name}': ${why}`));
  });
  return JSON.parse(await promise) as string[];
}

/** Why this process cannot read `folder` and all below it, in at most a few phrases. */
function findUnreadable(folder: string): string[] {
  const problems: string[] = [];
  walk(folder, '.', problems);
  return problems;
}

function walk(path: string, name: string, problems: string[]): void {
  if (problems.length >= MAX_PROBLEMS) return;
  try {
    const stat = lstatSync(path);
    const mode = stat.mode & 0o7777;
    const type = stat.isDirectory() ? 'directory' : 'file';
    const allowed = stat.isDirectory() ? [0o755] : stat.isFile() ? [0o644, 0o755] : [];
    if (!allowed.includes(mode)) {
      problems.push(`'${name}': expected a plain release mode, found ${describeMode(type, mode)}`);
      return;
    }
    if (stat.isFile()) return readOneByte(path);
    const inner = name === '.' ? '' : `${name}/`;
    for (const each of readdirSync(path)) walk(`${path}/${each}`, `${inner}${each}`, problems);
  } catch (error) {
    problems.push(`'${name}': ${describeSystemError(error)?.what ?? messageOf(error)}`);
  }
}

function readOneByte(path: string): void {
  const fd = openSync(path, 'r');
  try {
    readSync(fd, BYTE, 0, 1, 0);
  } finally {
    closeSync(fd);
  }
}
