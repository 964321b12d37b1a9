/**
 * A mirror's secrets: read from where the configuration says, shown nowhere.
 * `token` publishes; `readToken` and `auth` are what a private mirror wants
 * to see of its readers.
 */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { describeSystemError, messageOf } from '@landfall/errors';
import type { GiteaConfig, MirrorConfig, Named, SecretSource } from './config.ts';
import { MirrorError } from './errors.ts';

const MAX_SECRET_FILE_BYTES = 4096;

/** Holds a token in a private field: printing, JSON and inspection do not show it. */
export class Token {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** For Gitea's API: `authorization: token …`. */
  forApi(): string {
    return `token ${this.#text}`;
  }

  /** For git over HTTP, which knows only basic authentication; any user name does. */
  forGit(): string {
    return basic('landfall', this.#text);
  }

  /** To be taken out of what others say. */
  reveal(): string {
    return this.#text;
  }
}

/** Reads the token that `config` publishes with. Throws `MirrorError` CONFIG. */
export function readToken(config: Named<GiteaConfig>, env: NodeJS.ProcessEnv): Token {
  if (config.token === undefined) {
    throw new MirrorError(
      'CONFIG',
      config.name,
      "'token' is missing, and needed to publish there",
      { hint: "add token: { env: 'GITEA_TOKEN' } and set that variable" },
    );
  }
  return new Token(readSecret(config.name, 'token', config.token, env));
}

/**
 * What a reader of the mirror shows as `authorization` header; undefined for a
 * mirror that anyone may read. The secret is read anew for each request, so
 * that a node goes on when its file was replaced. Calling it throws
 * `MirrorError` CONFIG when the secret is not there.
 */
export function readCredential(
  config: Named<MirrorConfig>,
  env: NodeJS.ProcessEnv,
): (() => string) | undefined {
  const { auth, name } = config;
  if (auth !== undefined) {
    return () => basic(auth.user, readSecret(name, 'password', auth.password, env));
  }
  const source = config.type === 'gitea' ? config.readToken : undefined;
  if (source === undefined) return undefined;
  // Not `token …`: outside its API, Gitea takes a token only as a password
  // (services/auth/basic.go, gitRawReleasePathRe).
  return () => new Token(readSecret(name, 'token', source, env)).forGit();
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

/** What a server that was shown this `authorization` header may repeat of it, the longest first. */
export function secretsIn(authorization: string): string[] {
  const [scheme = '', shown = ''] = authorization.split(' ');
  const plain = shown.replace(/=+$/, '');
  if (scheme !== 'Basic') return [plain];
  const login = Buffer.from(shown, 'base64').toString('utf8');
  return [plain, login, login.slice(login.indexOf(':') + 1)];
}

type SecretKind = 'token' | 'password';

function readSecret(
  mirror: string,
  kind: SecretKind,
  source: SecretSource,
  env: NodeJS.ProcessEnv,
): string {
  const problem = (message: string, hint: string, cause?: unknown): MirrorError =>
    new MirrorError('CONFIG', mirror, message, { hint, cause });
  if (source.env !== undefined) {
    const text = trimmed(kind, env[source.env] ?? '');
    if (isSecret(kind, text)) return text;
    throw problem(
      `environment variable '${source.env}': expected a ${kind}, found ${text === '' ? 'nothing' : 'something else'}`,
      kind === 'token'
        ? `set ${source.env} to a token that may use the repository`
        : `set ${source.env} to the password`,
    );
  }
  const file = source.file ?? '';
  try {
    const { info, text: whole } = readOnce(file);
    if ((info.mode & 0o077) !== 0) {
      throw problem(
        `${kind} file '${file}' can be read by others: expected mode 600, found ${(info.mode & 0o777).toString(8)}`,
        `chmod 600 ${file}`,
      );
    }
    const text = info.size > MAX_SECRET_FILE_BYTES ? '' : whole;
    if (isSecret(kind, trimmed(kind, text))) return trimmed(kind, text);
  } catch (error) {
    if (error instanceof MirrorError) throw error;
    const system = describeSystemError(error);
    throw problem(
      `${kind} file '${file}' cannot be read: ${system?.what ?? messageOf(error)}`,
      system?.hint ?? 'check the path',
      error,
    );
  }
  throw problem(
    `${kind} file '${file}': expected one line with a ${kind}`,
    'write it into the file',
  );
}

/** What is looked at is what is read, whoever exchanges the file in between. A fifo does not hang us. */
function readOnce(file: string): { info: Stats; text: string } {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const info = fstatSync(fd);
    const chunk = Buffer.alloc(MAX_SECRET_FILE_BYTES);
    const length = info.isFile() ? readSync(fd, chunk, 0, chunk.length, 0) : 0;
    const text = chunk.toString('utf8', 0, length);
    chunk.fill(0);
    return { info, text };
  } finally {
    closeSync(fd);
  }
}

/** A password may begin or end with a space; a line end is none. */
function trimmed(kind: SecretKind, text: string): string {
  return kind === 'token' ? text.trim() : text.replace(/\r?\n$/, '');
}

function isSecret(kind: SecretKind, text: string): boolean {
  return kind === 'token' ? /^[\x21-\x7e]{1,1024}$/.test(text) : /^\P{Cc}{1,1024}$/u.test(text);
}
