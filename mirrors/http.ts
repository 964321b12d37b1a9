/**
 * The only file that talks HTTP. One client per mirror and purpose, bound to
 * one origin by construction: its connections cannot lead anywhere else (a
 * proxy in between is asked for that origin only), and a redirect is followed
 * only within that origin and to those that the configuration allows. A client
 * without `authorization` never sends a credential, and none is sent to another
 * origin, nor to any after one; reads by anonymous readers use such a one.
 *
 * Every request is bounded in bytes and time, whatever the server does.
 */
import { Readable } from 'node:stream';
import type { Dispatcher, Pool, ProxyAgent } from 'undici';
import { trustedAuthorities } from './authorities.ts';
import { boundedBody, collect, ReadGuard, tooLarge } from './bounded.ts';
import { describeHttpFailure, redirectError, safeWords, statusError } from './http-errors.ts';
import type { ReadOptions } from './mirror.ts';
import { type Proxy, proxyFor } from './proxy.ts';
import { redirectTarget } from './redirect.ts';
import { secretsIn } from './token.ts';

const MAX_REDIRECTS = 5;
const CONNECT_TIMEOUT_MS = 10_000;
const MAX_REDIRECT_BODY = 16 * 1024;
const CONNECTIONS = 8;
/** The read's own guard bounds an exchange, so that there is one place that does. */
const UNBOUNDED = { headersTimeout: 0, bodyTimeout: 0 };

/** Where requests may go, what they show there, and whom they believe over TLS. */
export interface HttpClientOptions {
  /** The mirror's name, for messages. */
  mirror: string;
  /** `https://git.example.org`, or with a path that all requests stand below. */
  base: string;
  /** The value of the `authorization` header. Without it no credential is ever sent. */
  authorization?: (() => string) | undefined;
  /** A file with further authorities for TLS, in PEM. */
  ca?: string | undefined;
  /** Other origins that a read may be redirected to. */
  allowOrigins?: readonly string[] | undefined;
  /** Where proxies are looked up; the process's own environment unless told. */
  env?: NodeJS.ProcessEnv | undefined;
}

/** A body to be sent, of a size known before. */
export interface RequestBody {
  contentType: string;
  size: number;
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** One exchange. `deadlineMs` bounds all of it, redirects too; `maxBytes` the answer's body. */
export interface HttpRequest extends ReadOptions {
  headers?: Readonly<Record<string, string>>;
  body?: RequestBody;
  /** What is sent or read, for messages about its bounds; the path unless told. */
  what?: string;
}

/** An answer whose body is still to be read; end the body or read it. */
export interface HttpAnswer {
  status: number;
  /** A header by its lower-case name. */
  header(name: string): string | undefined;
  /** What `content-length` claims. */
  size: number | undefined;
  body: AsyncIterableIterator<Uint8Array>;
  /** `GET /path`, for messages. */
  subject: string;
}

let pool: Promise<typeof Pool> | undefined;
let proxyAgent: Promise<typeof ProxyAgent> | undefined;

/**
 * Loaded with the first request, so that a process that makes none need not
 * carry it; and file by file, for the package's index loads browsers' interfaces
 * and mocks of itself as well, which takes as long again.
 */
async function loadPool(): Promise<typeof Pool> {
  const [dispatcher, found, request] = await Promise.all([
    import('undici/lib/dispatcher/dispatcher.js'),
    import('undici/lib/dispatcher/pool.js'),
    import('undici/lib/api/api-request.js'),
  ]);
  // What the index does as well, with all that can be asked of a dispatcher.
  dispatcher.default.prototype.request = request.default;
  return found.default;
}

/** With the one call that it makes of its own way to the proxy. */
async function loadProxyAgent(): Promise<typeof ProxyAgent> {
  const [dispatcher, found, connect] = await Promise.all([
    import('undici/lib/dispatcher/dispatcher.js'),
    import('undici/lib/dispatcher/proxy-agent.js'),
    import('undici/lib/api/api-connect.js'),
  ]);
  dispatcher.default.prototype.connect = connect.default;
  return found.default;
}

/** How an origin is reached. */
interface Way {
  dispatcher: Dispatcher;
  proxy: Proxy | undefined;
}

type Method = 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'DELETE';

/** Requests to one mirror. Throws `MirrorError`, and the reason of the caller's signal as it is. */
export class HttpClient {
  readonly mirror: string;
  readonly #base: URL;
  readonly #options: HttpClientOptions;
  /** By origin, made with its first request: what is wrong with a `ca` file is this mirror's trouble alone. */
  readonly #ways = new Map<string, Way>();
  /** What the server was shown last. */
  #shown = '';

  constructor(options: HttpClientOptions) {
    this.mirror = options.mirror;
    this.#base = new URL(options.base.replace(/\/*$/, '/'));
    this.#options = options;
  }

  /**
   * Sends a request below the base (`path` without a leading slash, already
   * encoded) and resolves when the answer begins, whatever its status. GET and
   * HEAD follow redirects to origins that may be. Throws `MirrorError`.
   */
  async open(method: Method, path: string, request: HttpRequest): Promise<HttpAnswer> {
    let url = new URL(path, this.#base);
    let isHome = true;
    const asked = url.pathname;
    // Where a server that knows our secret sends us could name it.
    const known = this.#options.authorization !== undefined;
    const subjectNow = (): string => `${method} ${known ? asked : url.pathname}`;
    const sending = request.body !== undefined;
    const guard = new ReadGuard(this.mirror, request.what ?? asked, request, sending);
    try {
      for (let hop = 0; ; hop += 1) {
        const subject = subjectNow();
        const answer = await this.#dispatch(method, url, request, guard, isHome);
        const next = redirectTarget(answer, url);
        if (next === undefined) return this.#toAnswer(answer, subject, guard, request, url);
        await guard.wait(dump(answer, guard.signal));
        isHome &&= next.origin === this.#base.origin;
        if (!this.#mayAsk(next)) {
          const { origin } = next;
          throw redirectError(this.mirror, this.#base.origin, origin, this.safeWords(origin));
        }
        if (hop >= MAX_REDIRECTS || (method !== 'GET' && method !== 'HEAD')) {
          const words = known ? 'a redirect' : `redirect to ${next.pathname}`;
          const status = answer.statusCode;
          throw statusError(this.mirror, { subject, status, header: () => undefined }, words);
        }
        url = next;
      }
    } catch (error) {
      guard.close();
      throw this.#translate(subjectNow(), error, request.signal, url);
    }
  }

  /** A server's own words as they may be printed: without what we have shown it. */
  safeWords(text: string): string {
    return safeWords(text, secretsIn(this.#shown));
  }

  #mayAsk({ origin }: URL): boolean {
    return origin === this.#base.origin || this.#options.allowOrigins?.includes(origin) === true;
  }

  /** Like `open`, with the body read to its end. */
  async exchange(
    method: Method,
    path: string,
    request: HttpRequest,
  ): Promise<Omit<HttpAnswer, 'body'> & { bytes: Uint8Array }> {
    const { body, ...answer } = await this.open(method, path, request);
    return { ...answer, bytes: await collect(body) };
  }

  async #dispatch(
    method: Method,
    url: URL,
    request: HttpRequest,
    guard: ReadGuard,
    isHome: boolean,
  ): Promise<Dispatcher.ResponseData> {
    const { body } = request;
    const headers: Record<string, string> = {
      'user-agent': 'landfall',
      'accept-encoding': 'identity',
      ...request.headers,
    };
    const { authorization } = this.#options;
    if (authorization !== undefined && isHome) {
      this.#shown = authorization();
      headers['authorization'] = this.#shown;
    }
    if (body !== undefined) {
      headers['content-type'] = body.contentType;
      headers['content-length'] = String(body.size);
    }
    const { dispatcher } = await this.#connect(url);
    const answer = await guard.wait(
      dispatcher.request({
        origin: url.origin,
        method,
        ...UNBOUNDED,
        path: `${url.pathname}${url.search}`,
        headers,
        body: body === undefined ? null : toStream(body, guard),
        signal: guard.signal,
      }),
    );
    // The body's errors reach us through its iterator; without a listener they would end the process.
    answer.body.on('error', () => undefined);
    return answer;
  }

  async #connect(to: URL): Promise<Way> {
    const before = this.#ways.get(to.origin);
    if (before !== undefined) return before;
    const { ca: file, env } = this.#options;
    const ca = trustedAuthorities(this.mirror, file);
    const proxy = proxyFor(this.mirror, to, env);
    const NewPool = await (pool ??= loadPool());
    const NewAgent = proxy && (await (proxyAgent ??= loadProxyAgent()));
    // Nothing is awaited from here on: another request may have made the way meanwhile.
    const meanwhile = this.#ways.get(to.origin);
    if (meanwhile !== undefined) return meanwhile;
    const tls = { timeout: CONNECT_TIMEOUT_MS, ...(ca === undefined ? {} : { ca }) };
    const bounds = { connections: CONNECTIONS, pipelining: 1, allowH2: false, ...UNBOUNDED };
    const dispatcher =
      NewAgent === undefined
        ? new NewPool(to.origin, { ...bounds, connect: tls })
        : new NewAgent({
            ...bounds,
            uri: proxy?.url ?? '',
            connectTimeout: CONNECT_TIMEOUT_MS,
            requestTls: tls,
            proxyTls: tls,
            // Typed as `object`: what they hold is how to connect.
            factory: (origin, options) =>
              new NewPool(origin, { ...(options as Pool.Options), ...bounds }),
            // A proxy that takes a connection and says nothing holds nobody up.
            clientFactory: (origin, options) => {
              const headersTimeout = CONNECT_TIMEOUT_MS;
              return new NewPool(origin, { ...(options as Pool.Options), headersTimeout });
            },
          });
    const way = { dispatcher, proxy };
    this.#ways.set(to.origin, way);
    return way;
  }

  #toAnswer(
    answer: Dispatcher.ResponseData,
    subject: string,
    guard: ReadGuard,
    { maxBytes, signal }: HttpRequest,
    from: URL,
  ): HttpAnswer {
    const header = (name: string): string | undefined => {
      const value = answer.headers[name];
      return Array.isArray(value) ? value[0] : value;
    };
    const claimed = Number(header('content-length') ?? Number.NaN);
    const size = Number.isSafeInteger(claimed) ? claimed : undefined;
    // An error's page is not the file that was bounded; its status tells what it is.
    const isFile = answer.statusCode === 200 && !/^text\/html/i.test(header('content-type') ?? '');
    if (isFile && size !== undefined && size > maxBytes && !subject.startsWith('HEAD ')) {
      answer.body.destroy();
      throw tooLarge(this.mirror, subject, maxBytes);
    }
    return {
      status: answer.statusCode,
      header,
      size,
      subject,
      body: boundedBody(guard, answer.body, (error) =>
        this.#translate(bodySubject(subject, guard.total, size), error, signal, from),
      ),
    };
  }

  /** The caller's own abort passes through as it is. */
  #translate(
    subject: string,
    error: unknown,
    signal: AbortSignal | undefined,
    { origin }: URL,
  ): unknown {
    if (signal?.aborted === true && error === signal.reason) return error;
    return describeHttpFailure(this.mirror, subject, error, this.#ways.get(origin)?.proxy?.shown);
  }
}

/** Each segment of `path` encoded for a URL. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function bodySubject(subject: string, got: number, size: number | undefined): string {
  return `${subject}, after ${got}${size === undefined ? '' : ` of ${size}`} bytes`;
}

/** The body as the connection takes it: a chunk was sent when the next one is asked for. */
function toStream(body: RequestBody, guard: ReadGuard): Readable {
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of body.chunks) {
      yield chunk;
      guard.countSent(chunk.length);
    }
  };
  return Readable.from(counted(), { objectMode: false });
}

/** Reads the little that comes with a redirect, so that the connection can be used again. */
async function dump(answer: Dispatcher.ResponseData, signal: AbortSignal): Promise<void> {
  await answer.body.dump({ limit: MAX_REDIRECT_BODY, signal });
}
