/**
 * The mode gate on the finished tree, as the user the web server runs as: a
 * process of its own that lays down its rights, then really goes from the root
 * of the file system to every file and opens it. Root could read anything, so
 * asking root proves nothing.
 */
import { UpdaterError } from '../errors.ts';
import type { Host } from '../host.ts';
import { readProgram } from '../services/command.ts';
import { findUnreadable, LookApart, type User } from './look-apart.ts';

/** In the order of how telling they are; the last is a stranger to every file. */
const WEB_USERS = ['www-data', 'nginx', 'http', 'caddy', 'nobody'];

/** Whether this process is root's: no other can look as another user. */
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
 * Opens everything below `folder`, and the way there, as `user`, or as this process; `apart` is
 * the process that does the former, if it was started before. Throws
 * `UpdaterError` WEB_USER naming what cannot be read, or has another mode than releases have.
 */
export async function gateAsWebUser(
  { config }: Host,
  folder: string,
  user: User | undefined,
  apart = new LookApart(),
): Promise<void> {
  const who = config.web_user ?? user?.name ?? 'the updater';
  const problems = user === undefined ? findUnreadable(folder) : await apart.look(user, folder);
  if (problems.length === 0) return;
  throw new UpdaterError('WEB_USER', `'${who}' cannot read the release: ${problems.join('; ')}`, {
    hint: `the web server would answer 403 or 500: check the modes of the folders above with 'namei -l ${folder}'`,
  });
}
