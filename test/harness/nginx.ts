/**
 * A real nginx in front of a node, as in the field: master as root, workers as
 * `www-data`, document root `<root>/current/web-ui`, on loopback.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

export interface Nginx {
  url: string;
  port: number;
  pid: number;
  /** The configuration file: `nginx -t -c <it>` checks it. */
  config: string;
  /** The pid file of the master. */
  pidFile: string;
  /** What nginx wrote to its error log so far. */
  errors(): string;
  /** Has it read its configuration anew, and waits until no worker of before is left. */
  reload(): Promise<void>;
  stop(): Promise<void>;
}

export interface NginxOptions {
  /** Empty folder for configuration, logs and temporary files. */
  folder: string;
  /** Document root. */
  root: string;
  /** Answer every unknown path with index.html and 200, as single-page applications are often served. */
  fallback?: boolean;
  /** Serve over https with a certificate made for this test. */
  tls?: boolean;
  /** More directives inside `server`. */
  extra?: string;
}

/** Starts nginx and waits until it answers; it is stopped when the running test ends. */
export async function startNginx(options: NginxOptions): Promise<Nginx> {
  if (process.getuid?.() !== 0) throw new Error('nginx with workers as www-data needs root');
  const port = await freePort();
  for (const name of ['', 'logs', 'tmp'])
    mkdirSync(join(options.folder, name), { recursive: true });
  chmodSync(options.folder, 0o755);
  if (options.tls) makeCertificate(options.folder);
  const config = join(options.folder, 'nginx.conf');
  writeFileSync(config, configuration(options, port));
  const child = spawn('nginx', ['-c', config, '-p', options.folder, '-g', 'daemon off;'], {
    stdio: 'ignore',
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` },
  });
  const nginx: Nginx = {
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    port,
    pid: child.pid ?? 0,
    config,
    pidFile: join(options.folder, 'nginx.pid'),
    errors: () => readFileSync(join(options.folder, 'logs/error.log'), 'utf8'),
    reload: () => reload(child.pid ?? 0),
    stop: () => stop(child),
  };
  onTestFinished(() => nginx.stop());
  await untilListening(port, child, nginx);
  return nginx;
}

async function reload(pid: number): Promise<void> {
  const workers = (): string[] =>
    readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  const before = new Set(workers());
  process.kill(pid, 'SIGHUP');
  for (let tries = 0; workers().some((each) => before.has(each)); tries += 1) {
    if (tries > 500) throw new Error('nginx does not read its configuration anew');
    await sleep(20);
  }
}

/** A TCP port on loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function configuration(options: NginxOptions, port: number): string {
  const tls = options.tls
    ? `ssl_certificate ${join(options.folder, 'cert.pem')}; ssl_certificate_key ${join(options.folder, 'key.pem')};`
    : '';
  const tries = options.fallback
    ? 'try_files $uri $uri/ /index.html;'
    : 'try_files $uri $uri/ =404;';
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(options.folder, 'tmp', name)};`)
    .join('\n  ');
  return `user www-data;
worker_processes 2;
pid ${join(options.folder, 'nginx.pid')};
error_log ${join(options.folder, 'logs/error.log')};
events { worker_connections 512; }
http {
  include /etc/nginx/mime.types;
  access_log off;
  ${temporary}
  server {
    listen 127.0.0.1:${port}${options.tls ? ' ssl' : ''};
    ${tls}
    root ${options.root};
    index index.html;
    location / { ${tries} }
    ${options.extra ?? ''}
  }
}
`;
}

function makeCertificate(folder: string): void {
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=node.test'],
      ...['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')],
    ],
    { stdio: 'ignore' },
  );
}

async function untilListening(port: number, child: ChildProcess, nginx: Nginx): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    if (child.exitCode !== null)
      throw new Error(`nginx ended with ${child.exitCode}: ${nginx.errors()}`);
    if (await isListening(port)) return;
    await sleep(50);
  }
  throw new Error(`nginx does not listen on port ${port}: ${nginx.errors()}`);
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}
