/**
 * A mirror that has its days: serves files below ROOT on loopback, with ranges,
 * at BYTES a second over all connections together (0: no limit), and stops for good after
 * DIES bytes (0: never). Its address is the one line that it prints.
 */
import { openSync, readSync, statSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const [root = '', bytesASecond = '0', dies = '0'] = process.argv.slice(2);
const rate = Number(bytesASecond);
const lifetime = Number(dies) === 0 ? Number.POSITIVE_INFINITY : Number(dies);
const PIECE = 64 * 1024;

let served = 0;
/** When what was promised so far will have been sent. */
let due = performance.now();

const server = createServer((request, response) => {
  answer(request.url ?? '/', request.headers.range, response).catch(() => response.destroy());
});

async function answer(
  url: string,
  asked: string | undefined,
  response: ServerResponse,
): Promise<void> {
  const path = join(root, new URL(url, 'http://mirror').pathname);
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isFile() !== true) {
    response.writeHead(404).end();
    return;
  }
  const [from, to] = rangeOf(asked, stats.size);
  const headers = { 'content-length': to - from, 'accept-ranges': 'bytes' };
  const part = { 'content-range': `bytes ${from}-${to - 1}/${stats.size}` };
  response.writeHead(asked === undefined ? 200 : 206, {
    ...headers,
    ...(asked === undefined ? {} : part),
  });
  const fd = openSync(path, 'r');
  for (let at = from; at < to && !response.destroyed;) {
    const piece = Buffer.alloc(Math.min(PIECE, to - at));
    readSync(fd, piece, 0, piece.length, at);
    at += piece.length;
    served += piece.length;
    if (served > lifetime) process.exit(0);
    await turn(piece.length);
    if (!response.write(piece)) await new Promise((resolve) => response.once('drain', resolve));
  }
  response.end();
}

/** `bytes=0-99` and `bytes=100-`, as readers of artifacts ask. */
function rangeOf(asked: string | undefined, size: number): [from: number, to: number] {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(asked ?? '') ?? [];
  if (from === undefined) return [0, size];
  return [Number(from), to === undefined || to === '' ? size : Math.min(size, Number(to) + 1)];
}

async function turn(bytes: number): Promise<void> {
  if (rate === 0) return;
  const now = performance.now();
  due = Math.max(due, now) + (bytes / rate) * 1000;
  if (due > now) await sleep(due - now);
}

server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
});
