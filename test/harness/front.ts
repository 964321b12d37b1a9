/** Another door to a server on loopback: with TLS, or at ::1. Bytes are passed on as they are. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { onTestFinished } from 'vitest';
import type { Authority } from './authority.ts';

export interface FrontOptions {
  /** With it the door speaks TLS. */
  tls?: Authority;
  /** Where it listens; 127.0.0.1 unless told. */
  host?: '127.0.0.1' | '::1';
}

/** The address of the new door to `target` (`http://127.0.0.1:<port>`); closed with the running test. */
export async function startFront(target: string, options: FrontOptions): Promise<string> {
  const { tls, host = '127.0.0.1' } = options;
  const { port, hostname } = new URL(target);
  const sockets = new Set<Socket>();
  const pass = (client: Socket): void => {
    const upstream = connect(Number(port), hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.pipe(upstream).pipe(client);
  };
  const server =
    tls === undefined
      ? createServer(pass)
      : createTlsServer({ key: tls.key, cert: tls.cert }, pass);
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, resolve);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const own = (server.address() as AddressInfo).port;
  return `${tls === undefined ? 'http' : 'https'}://${host === '::1' ? '[::1]' : host}:${own}`;
}
