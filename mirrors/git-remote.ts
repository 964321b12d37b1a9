/**
 * The index branch of one mirror, reached by git. Every call is bounded in
 * time, and each answer of the server becomes a `MirrorError` in words.
 */
import { randomUUID } from 'node:crypto';
import { withAuthorities } from './authorities.ts';
import { MirrorError, type MirrorErrorCode } from './errors.ts';
import { type GitResult, lastLine, runGit } from './git.ts';
import { safeWords } from './http-errors.ts';
import { proxyFor } from './proxy.ts';
import { secretsIn } from './token.ts';

const LOOK_TIMEOUT_MS = 60_000;
const FETCH_TIMEOUT_MS = 15 * 60_000;
const PUSH_TIMEOUT_MS = 10 * 60_000;
/** git waits for ever when the answer to a push ends in its middle; a push of little needs no more. */
const SMALL_PUSH_TIMEOUT_MS = 45_000;

/** The branch and the way to it. `authorization` is asked anew for each call of git. */
export interface GitRemoteOptions {
  /** The mirror's name, for messages. */
  mirror: string;
  /** Where it is fetched from and pushed to; holds no credential. */
  url: string;
  branch: string;
  /** The value of the `authorization` header, for this url's origin only. */
  authorization?: () => string;
  /** Taken out of whatever the server says, should it repeat it. */
  secret?: string;
  /** A file with further authorities for TLS, in PEM. */
  ca?: string | undefined;
  /** Where proxies are looked up; the process's own environment unless told. */
  env?: NodeJS.ProcessEnv | undefined;
}

/** A push that was refused because the branch is not, or not any more, where it was. */
export class PushRaceError extends MirrorError {}

interface CallOptions {
  signal?: AbortSignal;
}

/** A branch on its server. TIMEOUT after 1 minute for a look, 15 for a fetch, at most 10 a push. */
export class GitRemote {
  readonly #options: GitRemoteOptions;
  readonly #ref: string;
  /** What the server was shown last. */
  #shown = '';

  constructor(options: GitRemoteOptions) {
    this.#options = options;
    this.#ref = `refs/heads/${options.branch}`;
  }

  /** The commit id of the branch's head, or undefined when it has none. */
  async head(options: CallOptions): Promise<string | undefined> {
    const args = ['ls-remote', '--quiet', this.#options.url, this.#ref];
    const result = await this.#run(args, LOOK_TIMEOUT_MS, undefined, options);
    if (result.code !== 0) throw this.#failure('look at', result);
    const line = result.stdout.split('\n').find((each) => each.endsWith(`\t${this.#ref}`));
    return toCommitId(line?.split('\t')[0]);
  }

  /**
   * Fetches the head and its history; its commit id, or undefined when there
   * is none. No reference is written twice: the lock that a killed git leaves
   * beside one would be in the way for ever.
   */
  async fetchHead(repository: string, options: CallOptions): Promise<string | undefined> {
    const fresh = `refs/landfall/fetched-${randomUUID()}`;
    const args = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head'];
    const result = await this.#run(
      [...args, this.#options.url, `+${this.#ref}:${fresh}`],
      FETCH_TIMEOUT_MS,
      repository,
      options,
    );
    if (result.code !== 0) {
      if (/couldn't find remote ref/.test(result.stderr)) return undefined;
      throw this.#failure('fetch from', result);
    }
    const id = toCommitId((await runGit(['rev-parse', fresh], { repository })).stdout.trim());
    if (id === undefined) return undefined;
    // So that the next fetch brings only what is new. It is no harm when this fails.
    await runGit(['update-ref', `refs/landfall/heads/${id}`, id], { repository });
    await runGit(['update-ref', '-d', fresh], { repository });
    return id;
  }

  /**
   * Pushes commit `id` of `repository` to the branch, as a fast-forward. With
   * `over`, in the place of exactly that head, whether `id` follows it or not. With
   * `small`, the server lacks only a few commits. Throws
   * `PushRaceError` when the branch is elsewhere by then.
   */
  async push(
    repository: string,
    id: string,
    options: CallOptions & { over?: string; small?: boolean },
  ): Promise<void> {
    const lease =
      options.over === undefined ? [] : [`--force-with-lease=${this.#ref}:${options.over}`];
    const args = ['push', '--quiet', '--porcelain', '--no-verify', ...lease];
    const result = await this.#run(
      [...args, this.#options.url, `${id}:${this.#ref}`],
      options.small === true ? SMALL_PUSH_TIMEOUT_MS : PUSH_TIMEOUT_MS,
      repository,
      options,
    );
    if (result.code === 0) return;
    // The answer may have been lost, and git itself may have asked again.
    const head = await this.head(options).catch(() => undefined);
    options.signal?.throwIfAborted();
    if (head !== id) throw this.#failure('push to', result);
  }

  #run(
    args: readonly string[],
    timeoutMs: number,
    repository: string | undefined,
    { signal }: CallOptions,
  ): Promise<GitResult> {
    const { mirror, authorization, url, ca, env = process.env } = this.#options;
    const config = this.#proxy(env);
    if (authorization !== undefined) {
      this.#shown = authorization();
      config[`http.${url}.extraHeader`] = `Authorization: ${this.#shown}`;
    }
    return withAuthorities(mirror, ca, env, (bundle) => {
      if (bundle !== undefined) config['http.sslCAInfo'] = bundle;
      return runGit(args, {
        timeoutMs,
        config,
        ...(repository === undefined ? {} : { repository }),
        ...(signal === undefined ? {} : { signal }),
      });
    });
  }

  /** git goes through the proxy that HTTP requests take, with the only kind of login that they know. */
  #proxy(env: NodeJS.ProcessEnv): Record<string, string> {
    const url = new URL(this.#options.url);
    if (url.protocol === 'ssh:') return {};
    const proxy = proxyFor(this.#options.mirror, url, env);
    return { 'http.proxy': proxy?.url ?? '', 'http.proxyAuthMethod': 'basic' };
  }

  #failure(verb: string, result: GitResult): MirrorError {
    const { mirror, branch, secret = '' } = this.#options;
    const text = `${result.stderr}\n${result.stdout}`;
    const words = safeWords(reason(text) ?? lastLine(result.stderr), [
      ...secretsIn(this.#shown),
      secret,
    ]);
    if (result.timedOut) {
      return new MirrorError(
        'TIMEOUT',
        mirror,
        `git did not finish to ${verb} '${branch}' in time`,
        {
          hint: 'the mirror or the way to it is too slow; run the command again',
        },
      );
    }
    const known = KNOWN.find((each) => each.pattern.test(text));
    const Kind = known?.code === 'DIVERGED' ? PushRaceError : MirrorError;
    return new Kind(
      known?.code ?? 'BAD_ANSWER',
      mirror,
      `cannot ${verb} '${branch}'${known === undefined ? '' : `: ${known.what}`}${words === '' ? '' : ` (git: '${words}')`}`,
      { hint: known?.hint ?? "look at the server's log", ...statusOf(text) },
    );
  }
}

interface Known {
  pattern: RegExp;
  code: MirrorErrorCode;
  what: string;
  hint: string;
}

/** What git and its servers say, in its C locale, from the most telling to the least. */
const KNOWN: readonly Known[] = [
  {
    pattern: /protected branch/i,
    code: 'FORBIDDEN',
    what: 'the branch is protected',
    hint: "allow the token's user to push to it in the repository's branch settings",
  },
  {
    pattern: /cannot lock ref|failed to update ref/,
    code: 'DIVERGED',
    what: 'the branch has moved meanwhile',
    hint: 'run the command again',
  },
  {
    pattern: /hook declined/,
    code: 'REJECTED',
    what: 'a hook of the server refused the push',
    hint: "the hook's own words tell why; who administers the server can show or change it",
  },
  {
    pattern: /remote rejected/,
    code: 'REJECTED',
    what: 'the server refused the push',
    hint: "the server's own words tell why; look at its hooks and its log",
  },
  {
    pattern: /\[rejected\]|non-fast-forward|fetch first|stale info/,
    code: 'DIVERGED',
    what: 'the branch has moved meanwhile',
    hint: 'run the command again',
  },
  {
    pattern: /HTTP code 407 from proxy|CONNECT tunnel failed, response 407|error: 407/,
    code: 'UNAUTHORIZED',
    what: 'the proxy wants a login',
    hint: 'put the user and password into HTTP_PROXY or HTTPS_PROXY: http://user:password@host:port',
  },
  {
    pattern: /HTTP code \d+ from proxy|CONNECT tunnel failed|Proxy CONNECT aborted|resolve proxy/,
    code: 'UNREACHABLE',
    what: 'the proxy does not let us through',
    hint: "check HTTP_PROXY and HTTPS_PROXY, or except the mirror's host in NO_PROXY",
  },
  {
    pattern:
      /certificate (verification failed|problem)|unable to get .*issuer|certificate verify failed/i,
    code: 'UNREACHABLE',
    what: "the server's TLS certificate is not trusted",
    hint: "name its authority in the mirror's 'ca' or in NODE_EXTRA_CA_CERTS",
  },
  {
    pattern: /Authentication failed|could not read (Username|Password)|error: 401/,
    code: 'UNAUTHORIZED',
    what: 'the server wants another login',
    hint: 'check the token, and that it may write to the repository',
  },
  {
    pattern: /error: 403|Permission .*denied/,
    code: 'FORBIDDEN',
    what: 'the server forbids it',
    hint: 'check that the token may write to the repository',
  },
  {
    pattern: /repository .* not found|error: 404|does not appear to be a git repository/,
    code: 'NOT_FOUND',
    what: 'there is no such repository',
    hint: 'check url and repository in the configuration',
  },
  {
    pattern: /unable to update url base from redirection|error: 30\d/,
    code: 'REDIRECT_REFUSED',
    what: 'the server redirects elsewhere',
    hint: 'put the address it redirects to into the configuration, if that is right',
  },
  {
    pattern: /Could not resolve host|Failed to connect|Connection refused|Couldn't connect/,
    code: 'UNREACHABLE',
    what: 'the server cannot be reached',
    hint: 'check that the server is running, and the network',
  },
  {
    pattern:
      /hung up|early EOF|Empty reply|Recv failure|RPC failed|transfer closed|Operation too slow|unexpected disconnect|Connection reset|SSL|TLS|certificate/i,
    code: 'UNREACHABLE',
    what: 'the connection failed',
    hint: 'try again; if it stays so, look at the server and what is in front of it',
  },
];

/** What a hook or the server said, if it said something. */
function reason(text: string): string | undefined {
  const lines = text.split('\n').filter((line) => line.startsWith('remote: '));
  const said = lines.map((line) => line.slice('remote: '.length).trim()).filter(Boolean);
  return said.length === 0 ? undefined : said.join(' ');
}

function statusOf(text: string): { status?: number } {
  const status = Number(/returned error: (\d{3})/.exec(text)?.[1]);
  return Number.isInteger(status) ? { status } : {};
}

function toCommitId(text: string | undefined): string | undefined {
  return text !== undefined && /^[0-9a-f]{40}$/.test(text) ? text : undefined;
}
