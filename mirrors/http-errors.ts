/** What can go wrong with HTTP, in words: connections, statuses, answers that are none. */
import { formatDuration } from '@landfall/cli';
import { messageOf } from '@landfall/errors';
import { MirrorError, type MirrorErrorCode } from './errors.ts';

interface Words {
  what: string;
  hint: string;
}

const SOCKET_ERRORS: Readonly<Record<string, Words>> = {
  ECONNREFUSED: {
    what: 'refused the connection',
    hint: 'check that the server is running and that the port is right',
  },
  ECONNRESET: {
    what: 'cut the connection',
    hint: 'try again; if it stays so, look at the server and what is in front of it',
  },
  UND_ERR_SOCKET: {
    what: 'cut the connection',
    hint: 'try again; if it stays so, look at the server and what is in front of it',
  },
  EPIPE: {
    what: 'cut the connection while we were sending',
    hint: 'try again; a proxy in front of the server may have a size limit',
  },
  ENOTFOUND: {
    what: 'no such host in DNS',
    hint: 'check the address, and the name servers of this machine',
  },
  EAI_AGAIN: {
    what: 'DNS does not answer',
    hint: 'check the network and the name servers of this machine',
  },
  EHOSTUNREACH: { what: 'no route to the host', hint: 'check the network of this machine' },
  ENETUNREACH: { what: 'no route to the network', hint: 'check the network of this machine' },
  ETIMEDOUT: { what: 'the connection timed out', hint: 'check that the host is up' },
  UND_ERR_CONNECT_TIMEOUT: {
    what: 'did not accept a connection in time',
    hint: 'check that the host is up and that no firewall is in between',
  },
  EPROTO: { what: 'does not speak TLS there', hint: 'check http against https in the address' },
  CERT_HAS_EXPIRED: {
    what: 'its TLS certificate has expired',
    hint: 'renew the certificate, or check the clock of this machine',
  },
  CERT_NOT_YET_VALID: {
    what: 'its TLS certificate is not valid yet',
    hint: 'check the clock of this machine',
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    what: 'its TLS certificate is for another name',
    hint: 'use the name that the certificate is for',
  },
};

/** What goes wrong when a connection is made: with a proxy, it is the proxy that was dialled. */
const DIALLING = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/**
 * An error of the connection in words. A `MirrorError` passes through.
 * `proxy` is the `host:port` of the proxy in between, if there is one.
 */
export function describeHttpFailure(
  mirror: string,
  subject: string,
  error: unknown,
  proxy?: string,
): MirrorError {
  if (error instanceof MirrorError) return error;
  const refusal = proxy === undefined ? undefined : proxyRefusal(mirror, subject, error, proxy);
  if (refusal !== undefined) return refusal;
  const code = codeOf(error);
  const words = SOCKET_ERRORS[code] ?? tlsWords(code);
  if (words !== undefined) {
    const atProxy = proxy !== undefined && DIALLING.has(code);
    const who = atProxy ? `proxy '${proxy}': ` : '';
    return new MirrorError('UNREACHABLE', mirror, `${who}${words.what} (${subject})`, {
      hint: atProxy ? PROXY_HINT : words.hint,
      cause: error,
    });
  }
  const isGarbled = error instanceof Error && error.name === 'HTTPParserError';
  if (isGarbled || code.startsWith('UND_ERR_')) {
    return new MirrorError(
      'BAD_ANSWER',
      mirror,
      `the answer is not HTTP as it should be (${subject})`,
      {
        hint: 'check that the address is that of the mirror',
        cause: error,
      },
    );
  }
  return new MirrorError(
    'UNREACHABLE',
    mirror,
    `cannot be reached: ${messageOf(error)} (${subject})`,
    {
      hint: 'check the address and the network',
      cause: error,
    },
  );
}

const PROXY_HINT =
  "check HTTP_PROXY and HTTPS_PROXY, or except the mirror's host in NO_PROXY if it is reached without";

/** A proxy that answers CONNECT with something else than 200, or wants a login of its own. */
function proxyRefusal(
  mirror: string,
  subject: string,
  error: unknown,
  proxy: string,
): MirrorError | undefined {
  if (!(error instanceof Error)) return undefined;
  // undici gives these no code of their own.
  const status = /^Proxy (?:response|Authentication Required) \((\d{3})\)/.exec(error.message)?.[1];
  if (status === undefined) {
    const cut = 'code' in error && error.code === 'UND_ERR_PRX_CONN';
    if (!cut) return undefined;
    return new MirrorError(
      'UNREACHABLE',
      mirror,
      `proxy '${proxy}' cut the connection (${subject})`,
      {
        hint: PROXY_HINT,
        cause: error,
      },
    );
  }
  const login = status === '407';
  return new MirrorError(
    login ? 'UNAUTHORIZED' : 'UNREACHABLE',
    mirror,
    `proxy '${proxy}' ${login ? 'wants a login' : 'does not let us through'} (${status}) (${subject})`,
    {
      hint: login
        ? 'put the user and password into the variable: http://user:password@host:port'
        : PROXY_HINT,
      cause: error,
    },
  );
}

function tlsWords(code: string): Words | undefined {
  if (/CERT|ISSUER|SIGNATURE/.test(code)) {
    return {
      what: `its TLS certificate is not trusted (${code})`,
      hint: "have it signed by an authority this machine knows, or name yours in the mirror's 'ca' or in NODE_EXTRA_CA_CERTS",
    };
  }
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')) {
    return {
      what: `TLS failed (${code})`,
      hint: 'check http against https in the address',
    };
  }
  return undefined;
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  if ('code' in error && typeof error.code === 'string' && error.code !== 'UND_ERR_SOCKET') {
    return error.code;
  }
  const inner = codeOf(error.cause);
  if (inner !== '') return inner;
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}

const STATUS_ERRORS: Readonly<Record<number, { code: MirrorErrorCode } & Words>> = {
  401: {
    code: 'UNAUTHORIZED',
    what: 'wants a login',
    hint: "for reading: make it public, or give 'readToken' or 'auth'; for writing: check the token",
  },
  403: {
    code: 'FORBIDDEN',
    what: 'forbids it',
    hint: 'check what the token may do, and who may read the repository',
  },
  404: {
    code: 'NOT_FOUND',
    what: 'has no such thing',
    hint: 'check the address and the repository',
  },
  409: {
    code: 'REJECTED',
    what: 'says it is in conflict with what is there',
    hint: 'somebody else may be publishing; run the command again',
  },
  413: {
    code: 'REJECTED',
    what: 'says it is too large',
    hint: "raise Gitea's [attachment] MAX_SIZE and, in a proxy, client_max_body_size",
  },
  422: { code: 'REJECTED', what: 'says it is not valid', hint: "the server's own words tell why" },
  429: { code: 'BAD_ANSWER', what: 'wants fewer requests', hint: 'wait a while and try again' },
};

const PAGE_HINT =
  'something in front of the server answered in its place: look at that proxy, and whether the server runs';

/**
 * A status that was not hoped for, as an error. `subject` is the request
 * (`GET /path`), `serverSays` the server's own words, already made safe;
 * `isPage` when a page of HTML came where none of the server's own would.
 */
export function statusError(
  mirror: string,
  { subject, status, header }: FailedAnswer,
  serverSays?: string,
  isPage = false,
): MirrorError {
  const known = STATUS_ERRORS[status];
  const retryAfterMs = retryAfterOf(status, header);
  const asked =
    retryAfterMs === undefined ? '' : ` and asks to wait ${formatDuration(retryAfterMs)}`;
  const words = serverSays === undefined || serverSays === '' ? '' : `: '${serverSays}'`;
  if (known !== undefined) {
    const message = `${known.what}${asked} (${status})${words} (${subject})`;
    return new MirrorError(known.code, mirror, message, {
      hint: known.hint,
      status,
      retryAfterMs,
    });
  }
  const server = status >= 500;
  return new MirrorError(
    server || status < 400 ? 'BAD_ANSWER' : 'REJECTED',
    mirror,
    `${server ? 'the server failed' : 'answered in a way that was not expected'}${asked} (${status})${words} (${subject})`,
    {
      hint: isPage ? PAGE_HINT : server ? "look at the server's log" : 'check the address',
      status,
      retryAfterMs,
    },
  );
}

/** An answer as far as its error needs it. */
interface FailedAnswer {
  subject: string;
  status: number;
  /** A header by its lower-case name. */
  header: (name: string) => string | undefined;
}

/** `Retry-After` of a server that is too busy: seconds or a date (RFC 9110, 10.2.3), by the server's own clock. */
function retryAfterOf(status: number, header: FailedAnswer['header']): number | undefined {
  const text = status === 429 || status === 503 ? header('retry-after')?.trim() : undefined;
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const ms = Date.parse(text) - Date.parse(header('date') ?? new Date().toUTCString());
  return Number.isNaN(ms) || ms < 0 ? undefined : ms;
}

/** The error of a page of HTML where `expected` should have come. */
export function htmlError(mirror: string, subject: string, expected: string): MirrorError {
  return new MirrorError(
    'BAD_ANSWER',
    mirror,
    `expected ${expected}, found an HTML page (${subject})`,
    { hint: 'a login page, or a proxy in between? open the address in a browser to see it' },
  );
}

/** The error of a redirect that leaves the mirror's origin; `shown` is `to` as it may be printed. */
export function redirectError(
  mirror: string,
  from: string,
  to: string,
  shown: string,
): MirrorError {
  return new MirrorError(
    'REDIRECT_REFUSED',
    mirror,
    `redirects to another origin: expected '${from}', found '${shown}'`,
    {
      hint: isUpgrade(from, to)
        ? `put ${shown} into 'url'`
        : "if that is the same server, use its name in 'url' or mend its ROOT_URL; a store that serves for it must be named in 'allowOrigins'",
    },
  );
}

/** The same host, and only `http` became `https`. */
function isUpgrade(from: string, to: string): boolean {
  const [here, there] = [new URL(from), new URL(to)];
  return (
    here.hostname === there.hostname && here.protocol === 'http:' && there.protocol === 'https:'
  );
}

/** A server's own words, made safe to print: one line, no control characters, `secrets` taken out, short. */
export function safeWords(text: string, secrets: readonly string[] = []): string {
  return secrets
    .filter((each) => each !== '')
    .reduce((plain, secret) => plain.replaceAll(secret, '***'), text)
    .replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim()
    .slice(0, 200);
}
