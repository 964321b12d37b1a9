/** A real HTTP proxy on loopback: tunnels (CONNECT) and plain requests passed on. Ended with the running test. */
import {
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { onTestFinished } from 'vitest';

export interface ProxyOptions {
  /** `user:password` that it wants to see; none unless told. */
  login?: string;
  /** Answers everything with this status instead of passing it on. */
  refuse?: number;
}

/** What the proxy itself could see of a request. */
export interface ProxiedRequest {
  method: string;
  /** `host:port` of a tunnel, the whole address of a plain request. */
  target: string;
  /** Header names and values, in one text. */
  headers: string;
}

export interface ProxyServer {
  /** `http://127.0.0.1:<port>`. */
  readonly url: string;
  /** `127.0.0.1:<port>`. */
  readonly host: string;
  readonly requests: ProxiedRequest[];
  close(): Promise<void>;
}

export async function startProxy(options: ProxyOptions = {}): Promise<ProxyServer> {
  const requests: ProxiedRequest[] = [];
  const sockets = new Set<Socket>();
  const refusal = (request: IncomingMessage): number | undefined => {
    const target = request.url ?? '';
    const headers = request.rawHeaders.join('\n');
    requests.push({ method: request.method ?? '', target, headers });
    if (options.refuse !== undefined) return options.refuse;
    const wanted = options.login === undefined ? undefined : basic(options.login);
    return wanted === request.headers['proxy-authorization'] ? undefined : 407;
  };
  const server = createServer((request, response) => passOn(request, response, refusal(request)));
  server.on('connect', (request, client) => tunnel(request, client, refusal(request)));
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): Promise<void> => end(server, sockets);
  onTestFinished(close);
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url: `http://${host}`, host, requests, close };
}

function basic(login: string): string {
  return `Basic ${Buffer.from(login).toString('base64')}`;
}

function end(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  for (const socket of sockets) socket.destroy();
  return new Promise((resolve) => server.close(() => resolve()));
}

function passOn(
  request: IncomingMessage,
  response: ServerResponse,
  refused: number | undefined,
): void {
  if (refused !== undefined) {
    response.writeHead(refused, { 'content-type': 'text/html', 'proxy-authenticate': 'Basic' });
    response.end('<html><body>no</body></html>');
    return;
  }
  const { 'proxy-authorization': _, ...headers } = request.headers;
  const onward = httpRequest(request.url ?? '', { method: request.method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  onward.once('error', () => response.destroy());
  request.pipe(onward);
}

function tunnel(request: IncomingMessage, client: Duplex, refused: number | undefined): void {
  client.on('error', () => undefined);
  if (refused !== undefined) {
    const login = refused === 407 ? 'Proxy-Authenticate: Basic realm="p"\r\n' : '';
    client.end(`HTTP/1.1 ${refused} No\r\n${login}Connection: close\r\nContent-Length: 0\r\n\r\n`);
    return;
  }
  const { hostname, port } = new URL(`tcp://${request.url}`);
  const upstream = connect(Number(port), hostname.replaceAll(/[[\]]/g, ''), () => {
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    upstream.pipe(client).pipe(upstream);
  });
  upstream.once('error', () => client.destroy());
  client.once('close', () => upstream.destroy());
}
