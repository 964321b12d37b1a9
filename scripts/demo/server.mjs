#!/usr/bin/env node
// The demo node's backend, shipped as a component of its own: it serves the web
// UI that stands beside it in the running deployment. Started with the folder
// `current` and a port.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { join, normalize } from 'node:path';

const [current, port] = process.argv.slice(2);
const ui = join(current, 'web-ui');

const server = createServer((request, response) => {
  try {
    if (!statSync(ui).isDirectory()) throw new Error('no web UI');
  } catch {
    response.writeHead(500).end('Internal Server Error\n');
    return;
  }
  const path = normalize(decodeURIComponent(new URL(request.url, 'http://node').pathname));
  const file = join(ui, path.endsWith('/') ? `${path}index.html` : path);
  const stream = createReadStream(file);
  stream.on('open', () => response.writeHead(200));
  stream.on('error', () => response.writeHead(404).end('Not Found\n'));
  stream.pipe(response);
});
server.listen(Number(port), '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
