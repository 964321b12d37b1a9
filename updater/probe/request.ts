/**
 * One GET to this machine, bounded in bytes and time. No redirect is followed,
 * no connection reused, nothing taken from a cache. The body is whatever some
 * server sent: it is only ever compared.
 *
 * Node's TLS takes longer to load than all the rest of a start: what needs it
 * comes to it when a probe is sent (`getBuiltinModule`).
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage, RequestOptions } from 'node:http';
import { isIP, type LookupFunction } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { timerMs } from '@landfall/cli';
import { isLoopbackAddress } from './loopback.ts';

/** What bounds one exchange; `signal` ends it early. */
export interface RequestLimits {
  /** Bytes of the body; a longer one is cut behind the piece (of 64 KiB at most) that goes beyond, and said to be. */
  maxBytes: number;
  /** Milliseconds for the whole exchange. */
  timeoutMs: number;
  signal: AbortSignal;
}

/** What is asked for, and which certificate is believed. A name must resolve to this machine. */
export interface Target {
  url: URL;
  /** Host header and TLS name, where they differ from the URL's. */
  host?: string | undefined;
  /** `system`, `insecure`, or `sha256:` and the hex digest of the certificate's DER. */
  tls: string;
}

/** What came back, whatever its status; `location` is where a redirect leads, unfollowed. */
export interface Answer {
  status: number;
  body: Buffer;
  /** There was more than `maxBytes`. */
  cut: boolean;
  location: string | undefined;
}

/** Rejects when there is no whole answer in time, with a reason on one line. */
export function getBounded(target: Target, limits: RequestLimits): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const { url } = target;
  const { request: send } =
    url.protocol === 'https:'
      ? process.getBuiltinModule('node:https')
      : process.getBuiltinModule('node:http');
  const request = send(url, { ...optionsFor(target), signal: limits.signal }, (response) => {
    const problem = pinProblem(target, response);
    if (problem !== undefined) request.destroy(new Error(problem));
    else collect(response, limits.maxBytes).then(resolve, reject);
  });
  const timer = setTimeout(
    () => reject(new Error(`no whole answer within ${limits.timeoutMs} ms`)),
    timerMs(limits.timeoutMs),
  );
  request.on('error', reject);
  // Without this, Node drops the connection and tells nobody: no answer, no error, for ever.
  request.on('upgrade', ({ statusCode: status = 0 }, socket) => {
    socket.destroy();
    resolve({ status, body: Buffer.alloc(0), cut: false, location: undefined });
  });
  request.end();
  return promise.finally(() => {
    clearTimeout(timer);
    request.destroy();
  });
}

function optionsFor({ url, host, tls }: Target): RequestOptions & Record<string, unknown> {
  const name = host ?? url.hostname;
  return {
    method: 'GET',
    agent: false,
    lookup: lookupLoopback,
    headers: {
      accept: '*/*',
      'accept-encoding': 'identity',
      'cache-control': 'no-cache',
      'user-agent': 'landfall-updater',
      ...(host === undefined ? {} : { host }),
    },
    ...(isIP(name.replaceAll(/[[\]]/g, '')) === 0 ? { servername: name } : {}),
    rejectUnauthorized: tls === 'system',
  };
}

/** Resolves a name to an address of this machine, or not at all. */
const lookupLoopback: LookupFunction = (hostname, options, callback) => {
  process
    .getBuiltinModule('node:dns')
    .lookup(hostname, { ...options, all: true }, (error, addresses) => {
      const address = addresses?.find((each) => isLoopbackAddress(each.address));
      if (error !== null) return callback(error, []);
      if (address === undefined) {
        return callback(new Error(`'${hostname}' is not an address of this machine`), []);
      }
      return options.all === true
        ? callback(null, [address])
        : callback(null, address.address, address.family);
    });
};

function pinProblem({ tls }: Target, response: IncomingMessage): string | undefined {
  const { socket } = response;
  if (!tls.startsWith('sha256:')) return undefined;
  const { TLSSocket } = process.getBuiltinModule('node:tls');
  if (!(socket instanceof TLSSocket)) return undefined;
  const expected = tls.slice('sha256:'.length);
  const found = certificatePin(socket);
  return found === expected
    ? undefined
    : `certificate is not the pinned one: expected sha256 ${expected}, found ${found}`;
}

/** SHA-256, in hex, of the DER of the certificate that the other side showed. */
export function certificatePin(socket: TLSSocket): string {
  return createHash('sha256').update(socket.getPeerCertificate().raw).digest('hex');
}

async function collect(response: IncomingMessage, maxBytes: number): Promise<Answer> {
  const chunks: Buffer[] = [];
  let length = 0;
  let cut = false;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    chunks.push(chunk);
    cut = length > maxBytes;
    if (cut) break;
  }
  const { statusCode: status = 0, headers } = response;
  return { status, body: Buffer.concat(chunks), cut, location: headers.location };
}
