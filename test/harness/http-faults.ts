/**
 * A real HTTP server whose answers can go wrong on purpose, one request at a
 * time. A handler says what the right answer is; a rule that matches the
 * request says what becomes of it.
 */
import { createReadStream, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What goes wrong. Bytes are those of the body. */
export type Fault =
  /** Nothing is read, the connection is cut. */
  | { kind: 'drop-before' }
  /** The connection is cut after so many bytes of the request's body. */
  | { kind: 'drop-during'; bytes: number }
  /** The request takes effect; its answer is lost. */
  | { kind: 'drop-after' }
  /** The answer comes late. */
  | { kind: 'delay'; ms: number }
  | { kind: 'slow'; bytesPerSecond: number }
  /** The body begins (with so many bytes, half of it unless told) and then nothing comes, nor an end. */
  | { kind: 'stall'; bytes?: number }
  /** The connection is cut in the middle of the body. */
  | { kind: 'truncate' }
  /** A body that is too short, and says so in `content-length`. */
  | { kind: 'short' }
  /** One bit of the body is another. */
  | { kind: 'wrong-bytes' }
  /** A page of HTML with 200. */
  | { kind: 'html' }
  /** A body without an end. */
  | { kind: 'endless' }
  /** The request does not take effect; a proxy's page of HTML with this status is the answer. */
  | { kind: 'status'; status: number; headers?: Readonly<Record<string, string>> }
  /** The request takes effect; a proxy's page of HTML with this status is the answer. */
  | { kind: 'status-after'; status: number }
  | { kind: 'redirect'; to: string }
  /** Nothing is read and nothing answered; the connection is cut after so long. */
  | { kind: 'hold'; ms: number }
  /** Half of the answer comes; the connection is cut after so long. */
  | { kind: 'stall-cut'; ms: number }
  /** Something in between sends the request a second time. */
  | { kind: 'twice' }
  /** The answer's `date` is off by so much. */
  | { kind: 'clock'; skewMs: number };

/** Which requests a fault befalls. All that is given must match. */
export interface FaultRule {
  method?: string;
  /** Tested against path and query. */
  path?: RegExp;
  /** So many matching requests go well first; 0 unless told. */
  skip?: number;
  /** So many matching requests are befallen; all unless told. */
  times?: number;
  fault: Fault;
}

/** The right answer. */
export interface Answer {
  status: number;
  headers?: Readonly<Record<string, string>>;
  body?: Buffer | string | { file: string; start?: number; end?: number };
}

/** A request as it was seen, for tests to look at. */
export interface SeenRequest {
  method: string;
  /** Path and query. */
  url: string;
  authorization: string | undefined;
  range: string | undefined;
}

/** For faults that no list of rules tells, and for looking at what requests have done. */
export interface FaultHooks {
  /** What befalls a request that no rule matches. */
  choose?: (method: string, path: string) => Fault | undefined;
  /** Called when a request has taken effect, before it is answered. */
  handled?: (method: string, path: string) => void;
}

export interface FaultyServer {
  readonly hooks: FaultHooks;
  /** `http://127.0.0.1:<port>`, the same after a `stop` and `start`. */
  readonly url: string;
  /** Rules in force; the first that matches counts. May be changed at any time. */
  readonly rules: FaultRule[];
  readonly requests: SeenRequest[];
  /** Refuses connections from now on. */
  stop: () => Promise<void>;
  /** Listens again, at the same port. */
  start: () => Promise<void>;
}

/** The header by which a handler knows that a request came twice. */
export const SENT_TWICE = 'x-sent-twice';

/** Starts a server on loopback. End it with `stop`. */
export async function startFaultyServer(
  handler: (request: IncomingMessage, url: string) => Promise<Answer>,
): Promise<FaultyServer> {
  const rules: FaultRule[] = [];
  const counts = new Map<FaultRule, number>();
  const requests: SeenRequest[] = [];
  const hooks: FaultHooks = {};
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url ?? '/';
    const method = request.method ?? 'GET';
    const { authorization, range } = request.headers;
    requests.push({ method, url: path, authorization, range });
    const fault = takeFault(rules, counts, method, path) ?? hooks.choose?.(method, path);
    await answer(request, response, fault, async () => {
      if (fault?.kind === 'twice') request.headers[SENT_TWICE] = 'yes';
      const right = await handler(request, `http://${address}`);
      hooks.handled?.(method, path);
      return right;
    });
  };
  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      if (process.env['LANDFALL_TEST_DEBUG'] !== undefined) console.error(error);
      response.destroy();
    });
  });
  await listen(server, 0);
  const { port } = server.address() as AddressInfo;
  const address = `127.0.0.1:${port}`;
  return {
    url: `http://${address}`,
    rules,
    requests,
    hooks,
    stop: () => close(server),
    start: () => listen(server, port),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve());
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function takeFault(
  rules: readonly FaultRule[],
  counts: Map<FaultRule, number>,
  method: string,
  path: string,
): Fault | undefined {
  for (const rule of rules) {
    if (rule.method !== undefined && rule.method !== method) continue;
    if (rule.path !== undefined && !rule.path.test(path)) continue;
    const count = counts.get(rule) ?? 0;
    counts.set(rule, count + 1);
    const skip = rule.skip ?? 0;
    if (count >= skip && count < skip + (rule.times ?? Number.POSITIVE_INFINITY)) return rule.fault;
  }
  return undefined;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault | undefined,
  handle: () => Promise<Answer>,
): Promise<void> {
  switch (fault?.kind) {
    case 'drop-before':
      request.socket.destroy();
      return;
    case 'drop-during':
      await dropDuring(request, fault.bytes);
      return;
    case 'status':
      request.resume();
      await send(request, response, page(fault.status, fault.headers));
      return;
    case 'html':
      request.resume();
      await send(request, response, page(200));
      return;
    case 'redirect':
      request.resume();
      await send(request, response, { status: 302, headers: { location: fault.to }, body: '' });
      return;
    case 'endless':
      await endless(response);
      return;
    case 'hold':
      await sleep(fault.ms);
      request.socket.destroy();
      return;
    default:
  }
  const right = await handle();
  if (fault?.kind === 'drop-after') request.socket.destroy();
  else if (fault?.kind === 'status-after') await send(request, response, page(fault.status));
  else await send(request, response, right, fault);
}

function page(status: number, headers: Readonly<Record<string, string>> = {}): Answer {
  const body = `<!DOCTYPE html><html><head><title>${status}</title></head><body><h1>Welcome</h1></body></html>\n`;
  return { status, headers: { 'content-type': 'text/html; charset=utf-8', ...headers }, body };
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  right: Answer,
  fault?: Fault,
): Promise<void> {
  const { body = '' } = right;
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const whole = Buffer.isBuffer(bytes) ? bytes.length : rangeOf(bytes).size;
  const size = fault?.kind === 'short' ? Math.floor(whole / 2) : whole;
  if (fault?.kind === 'delay') await sleep(fault.ms);
  const silent = request.method === 'HEAD' || right.status === 204 || right.status === 304;
  const length =
    right.status === 204 || (request.method === 'HEAD' && right.status === 302)
      ? {}
      : { 'content-length': size };
  const skew = fault?.kind === 'clock' ? fault.skewMs : undefined;
  const date = skew === undefined ? {} : { date: new Date(Date.now() + skew).toUTCString() };
  response.writeHead(right.status, { ...right.headers, ...length, ...date });
  if (silent) {
    response.end();
    return;
  }
  if (!(await sendBody(response, chunksOf(bytes), size, fault))) return;
  response.end();
}

/** Whether the answer is to be ended as usual. */
async function sendBody(
  response: ServerResponse,
  chunks: AsyncIterable<Buffer>,
  size: number,
  fault: Fault | undefined,
): Promise<boolean> {
  let stopAt = size;
  const cut = fault?.kind === 'truncate' || fault?.kind === 'stall-cut';
  if (cut) stopAt = Math.floor(size / 2);
  if (fault?.kind === 'stall') stopAt = Math.min(size, fault.bytes ?? Math.floor(size / 2));
  let sent = 0;
  for await (const chunk of chunks) {
    const part = Buffer.from(chunk.subarray(0, Math.max(0, stopAt - sent)));
    const middle = Math.floor(size / 2) - sent;
    if (fault?.kind === 'wrong-bytes' && middle >= 0 && middle < part.length) {
      part[middle] = (part[middle] ?? 0) ^ 1;
    }
    if (fault?.kind === 'slow') await sendSlowly(response, part, fault.bytesPerSecond);
    else await write(response, part);
    sent += part.length;
    if (response.destroyed) return false;
  }
  if (fault?.kind === 'stall-cut') await sleep(fault.ms);
  if (cut) response.socket?.destroy();
  return !cut && fault?.kind !== 'stall';
}

async function sendSlowly(response: ServerResponse, bytes: Buffer, rate: number): Promise<void> {
  const step = Math.max(1, Math.ceil(rate / 20));
  for (let at = 0; at < bytes.length && !response.destroyed; at += step) {
    await write(response, bytes.subarray(at, at + step));
    await sleep(50);
  }
}

/** Resolves when more may be written, or the reader has gone. */
function write(response: ServerResponse, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed || response.write(bytes)) {
      resolve();
      return;
    }
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.once('drain', done);
    response.once('close', done);
  });
}

async function endless(response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/octet-stream' });
  const chunk = Buffer.alloc(16 * 1024, 0x20);
  while (!response.destroyed) {
    await write(response, chunk);
    await sleep(1);
  }
}

function dropDuring(request: IncomingMessage, bytes: number): Promise<void> {
  return new Promise((resolve) => {
    let seen = 0;
    request.on('data', (chunk: Buffer) => {
      seen += chunk.length;
      if (seen >= bytes) request.socket.destroy();
    });
    request.once('close', () => {
      request.socket.destroy();
      resolve();
    });
  });
}

function rangeOf(body: { file: string; start?: number; end?: number }): {
  start: number;
  size: number;
} {
  const start = body.start ?? 0;
  return { start, size: (body.end ?? statSync(body.file).size - 1) - start + 1 };
}

async function* chunksOf(
  body: Buffer | { file: string; start?: number; end?: number },
): AsyncGenerator<Buffer> {
  if (Buffer.isBuffer(body)) {
    yield body;
    return;
  }
  const { start, size } = rangeOf(body);
  if (size <= 0) return;
  for await (const chunk of createReadStream(body.file, { start, end: start + size - 1 })) {
    yield chunk as Buffer;
  }
}
