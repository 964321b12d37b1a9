/**
 * A small web server in front of a node, with the ways in which one breaks.
 * It serves what `<root>/current/web-ui` leads to at the moment of a request.
 */
import { once } from 'node:events';
import { readFile, readlink } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { onTestFinished } from 'vitest';

/** What a broken server answers in place of the file. `drop`: it closes the connection. */
export type Fault = { status: number; body?: string; headers?: Record<string, string> } | 'drop';

export interface Served {
  /** Decoded, without query. */
  path: string;
  /** Target of `current`, or empty. */
  target: string;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
};

export class WebServer {
  /** Asked before every answer; undefined: serve the file. */
  fault: (request: Served) => Fault | undefined = () => undefined;
  /** Answers unknown paths with index.html and 200, as single-page applications are often served. */
  fallback = false;
  /** Paths that were asked for, oldest first. */
  readonly requests: string[] = [];
  readonly #root: string;
  readonly #server: Server;

  private constructor(root: string) {
    this.#root = root;
    this.#server = createServer((request, response) => {
      const path = decodeURIComponent(new URL(request.url ?? '/', 'http://node').pathname);
      this.#answer(path, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error));
      });
    });
  }

  /** Listens on loopback until the running test ends. `root` is the node's. */
  static async start(root: string): Promise<WebServer> {
    const server = new WebServer(root);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    onTestFinished(() => server.stop());
    return server;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return `http://127.0.0.1:${address.port}/`;
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #answer(path: string, response: ServerResponse): Promise<void> {
    this.requests.push(path);
    const target = await readlink(join(this.#root, 'current')).catch(() => '');
    const fault = this.fault({ path, target });
    if (fault === 'drop') return void response.destroy();
    if (fault !== undefined) {
      return void response.writeHead(fault.status, fault.headers).end(fault.body ?? '');
    }
    const folder = join(this.#root, 'current/web-ui');
    const file = normalize(path.endsWith('/') ? `${path}index.html` : path);
    const body = await readFile(join(folder, file)).catch(() => undefined);
    if (body !== undefined) {
      const type = TYPES[extname(file)] ?? 'application/octet-stream';
      return void response.writeHead(200, { 'content-type': type }).end(body);
    }
    const page = this.fallback
      ? await readFile(join(folder, 'index.html')).catch(() => undefined)
      : undefined;
    if (page === undefined) return void response.writeHead(404).end('not found');
    response.writeHead(200, { 'content-type': 'text/html' }).end(page);
  }
}
