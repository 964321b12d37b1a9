/** nginx on loopback: in front of a mirror's folder and of a node. It ends with the group that started it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Folders that are served; links in their paths are followed at every request. */
export interface Web {
  /** An address for each folder, ending in `/`. */
  urls: readonly string[];
  /** Lines `<server> <status> <bytes sent> <request>` of what was asked for since the last call. */
  requests(): string[];
  stop(): Promise<void>;
}

const WAIT_MS = 50;
const PATIENCE = 100;

/**
 * Serves `roots`, each at a port of its own; the first sends `rate` bytes a second on each
 * connection, if given. `folder` is for nginx, and empty.
 */
export async function startWeb(
  folder: string,
  roots: readonly string[],
  rate?: number,
): Promise<Web> {
  mkdirSync(join(folder, 'tmp'), { recursive: true });
  const ports: number[] = [];
  for (const _root of roots) ports.push(await freePort());
  const config = join(folder, 'nginx.conf');
  writeFileSync(config, configuration(folder, roots, ports, rate));
  const options = [
    '-c',
    config,
    '-p',
    folder,
    '-e',
    join(folder, 'error.log'),
    '-g',
    'daemon off;',
  ];
  const path = `${process.env['PATH']}:/usr/sbin`;
  const child = spawn('nginx', options, { stdio: 'ignore', env: { ...process.env, PATH: path } });
  const urls = ports.map((port) => `http://127.0.0.1:${port}/`);
  await untilItAnswers(child, urls[0] ?? '');
  const log = join(folder, 'access.log');
  let seen = 0;
  return {
    urls,
    requests: () => {
      const lines = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : [];
      const fresh = lines.slice(seen).filter((line) => line !== '');
      seen = lines.length;
      return fresh;
    },
    stop: async () => {
      if (child.exitCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

async function untilItAnswers(child: ChildProcess, url: string): Promise<void> {
  for (let tries = 0; tries < PATIENCE; tries += 1) {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`);
    const answer = await fetch(url).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer !== undefined) return;
    await sleep(WAIT_MS);
  }
  throw new Error('nginx does not answer');
}

/** A TCP port on loopback that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function configuration(
  folder: string,
  roots: readonly string[],
  ports: readonly number[],
  rate: number | undefined,
): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `  ${name}_temp_path ${join(folder, 'tmp', name)};`,
  );
  const servers = roots.map((root, index) => {
    const limit = index === 0 && rate !== undefined ? ` limit_rate ${rate};` : '';
    return `  server { listen 127.0.0.1:${ports[index]}; root ${root}; index index.html;${limit} }`;
  });
  return [
    process.getuid?.() === 0 ? 'user www-data;' : '',
    'worker_processes 1;',
    `pid ${join(folder, 'nginx.pid')};`,
    'events { worker_connections 512; }',
    'http {',
    '  include /etc/nginx/mime.types;',
    "  log_format short '$server_port $status $bytes_sent $request';",
    `  access_log ${join(folder, 'access.log')} short;`,
    '  sendfile on;',
    ...temporary,
    ...servers,
    '}',
    '',
  ].join('\n');
}
