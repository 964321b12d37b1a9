/** A mirror's token: read from where the configuration says, shown nowhere. */
import { readFileSync, statSync } from 'node:fs';
import { describeSystemError, messageOf } from '@landfall/errors';
import type { GiteaConfig, Named } from './config.ts';
import { MirrorError } from './errors.ts';

const MAX_TOKEN_FILE_BYTES = 4096;

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
    return `Basic ${Buffer.from(`landfall:${this.#text}`).toString('base64')}`;
  }

  /** To be taken out of what others say. */
  reveal(): string {
    return this.#text;
  }
}

/** Reads the token that `config` names. Throws `MirrorError` CONFIG. */
export function readToken(config: Named<GiteaConfig>, env: NodeJS.ProcessEnv): Token {
  const { token } = config;
  const problem = (message: string, hint: string, cause?: unknown): MirrorError =>
    new MirrorError('CONFIG', config.name, message, { hint, cause });
  if (token?.file === undefined && token?.env === undefined) {
    throw problem(
      "'token' is missing, and needed to publish there",
      "add token: { env: 'GITEA_TOKEN' } and set that variable",
    );
  }
  if (token.env !== undefined) {
    const text = env[token.env]?.trim() ?? '';
    if (isToken(text)) return new Token(text);
    throw problem(
      `environment variable '${token.env}': expected a token, found ${text === '' ? 'nothing' : 'something else'}`,
      `set ${token.env} to a token that may write to the repository`,
    );
  }
  const file = token.file ?? '';
  try {
    const info = statSync(file);
    if ((info.mode & 0o077) !== 0) {
      throw problem(
        `token file '${file}' can be read by others: expected mode 600, found ${(info.mode & 0o777).toString(8)}`,
        `chmod 600 ${file}`,
      );
    }
    const text = info.size > MAX_TOKEN_FILE_BYTES ? '' : readFileSync(file, 'utf8').trim();
    if (isToken(text)) return new Token(text);
  } catch (error) {
    if (error instanceof MirrorError) throw error;
    const system = describeSystemError(error);
    throw problem(
      `token file '${file}' cannot be read: ${system?.what ?? messageOf(error)}`,
      system?.hint ?? 'check the path',
      error,
    );
  }
  throw problem(`token file '${file}': expected one line with a token`, 'write the token into it');
}

function isToken(text: string): boolean {
  return /^[\x21-\x7e]{1,1024}$/.test(text);
}
