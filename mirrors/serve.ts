/**
 * A small static web server for a directory mirror. It answers GET and HEAD of
 * regular files inside the folder and nothing else: no listing, no dotfiles,
 * nothing that a link leads to outside. It keeps no state; a crash leaves
 * nothing behind.
 */
import { type BigIntStats, constants, createReadStream } from 'node:fs';
import { type FileHandle, open, readlink, realpath } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { systemCode } from '@landfall/errors';
import { isNothing } from './regular-file.ts';
import { parseRange } from './serve-range.ts';

const IDLE_MS = 60_000;
const SHUTDOWN_GRACE_MS = 5000;

const TYPES: Readonly<Record<string, string>> = {
  '.json': 'application/json',
  '.minisig': 'text/plain; charset=utf-8',
};

/** A directory mirror being served. */
export interface ServedDirectory {
  /** `http://127.0.0.1:8080/` */
  address: string;
  /** Takes no more connections, lets answers finish for a few seconds, and ends. */
  close(): Promise<void>;
}

/** Serves `directory` at `host`:`port` (0: any free port). Rejects when it cannot listen there. */
export async function serveDirectory(
  directory: string,
  listen: { host: string; port: number },
): Promise<ServedDirectory> {
  const root = await realpath(directory);
  const server = createServer((request, response) => {
    answer(root, request, response).catch(() => fail(response));
  });
  server.setTimeout(IDLE_MS);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  return { address: `http://${host}:${port}/`, close: () => shutDown(server) };
}

function shutDown(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), SHUTDOWN_GRACE_MS);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

async function answer(
  root: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return plain(response, 405, { allow: 'GET, HEAD' });
  }
  const path = toPath(request.url ?? '/');
  if (path === undefined) return plain(response, 404);
  const file = await openInside(root, path);
  if (typeof file === 'number') return plain(response, file);
  try {
    await send(file, path, request, response);
  } finally {
    await file.handle.close();
  }
}

interface OpenFile {
  handle: FileHandle;
  info: BigIntStats;
}

/** The path of a URL, or undefined for one that names no plain file below the root. */
function toPath(url: string): string | undefined {
  let path: string;
  try {
    path = decodeURIComponent(url.split('?')[0] ?? '');
  } catch {
    return undefined;
  }
  const segments = path.split('/').slice(1);
  const plainly = segments.every((each) => each !== '' && !each.startsWith('.'));
  return plainly && !/[\0\\]/.test(path) ? segments.join('/') : undefined;
}

/**
 * Opens first and asks afterwards what was opened, so that a link swapped in
 * between changes nothing. 404 for what is not a regular file inside, 403 for what we may not
 * read. Throws what says nothing of the file (too many are open): readers would believe that
 * there is none.
 */
async function openInside(root: string, path: string): Promise<OpenFile | 403 | 404> {
  let handle: FileHandle;
  try {
    handle = await open(join(root, path), constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isNothing(error)) return 404;
    const code = systemCode(error);
    if (code === 'EACCES' || code === 'EPERM') return 403;
    throw error;
  }
  try {
    const info = await handle.stat({ bigint: true });
    const real = await readlink(`/proc/self/fd/${handle.fd}`);
    if (info.isFile() && real.startsWith(`${root === sep ? '' : root}${sep}`)) {
      return { handle, info };
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return 404;
}

async function send(
  { handle, info }: OpenFile,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const size = Number(info.size);
  const etag = `"${info.ino.toString(36)}-${info.mtimeNs.toString(36)}-${info.size.toString(36)}"`;
  const headers = {
    etag,
    'accept-ranges': 'bytes',
    'cache-control': 'no-cache',
    'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
    'last-modified': info.mtime.toUTCString(),
    'x-content-type-options': 'nosniff',
  };
  if (matches(request.headers['if-none-match'], etag)) return plain(response, 304, headers);
  const ifRange = request.headers['if-range'];
  const wanted = ifRange === undefined || ifRange === etag ? request.headers.range : undefined;
  const range = parseRange(wanted, size);
  if (range === 'unsatisfiable') {
    return plain(response, 416, { ...headers, 'content-range': `bytes */${size}` });
  }
  const { start, end } = range ?? { start: 0, end: size - 1 };
  response.writeHead(range === undefined ? 200 : 206, {
    ...headers,
    'content-length': end - start + 1,
    ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${size}` }),
  });
  if (request.method === 'HEAD' || end < start) {
    response.end();
    return;
  }
  // The file was opened once; a path would be looked up again. Sends exactly what was promised.
  const body = createReadStream('', { fd: handle, start, end, autoClose: false });
  await pipeline(body, response);
}

function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((each) => {
    const tag = each.trim().replace(/^W\//, '');
    return tag === etag || tag === '*';
  });
}

function plain(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = status === 304 ? '' : `${status}\n`;
  const type = status === 304 ? {} : { 'content-type': 'text/plain; charset=utf-8' };
  const length = status === 304 ? {} : { 'content-length': Buffer.byteLength(body) };
  response.writeHead(status, { ...headers, ...type, ...length });
  response.end(response.req.method === 'HEAD' ? '' : body);
}

/** After the headers there is no other way to say it than to cut the connection. */
function fail(response: ServerResponse): void {
  if (response.headersSent) response.destroy();
  else plain(response, 500);
}
