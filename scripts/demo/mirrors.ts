/** The demo's mirrors: folders, each behind `mirrors serve` on loopback, one of which is down at first. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { DemoMirror } from './project.ts';
import { house } from './stage.ts';

const program = join(house, 'mirrors/bin/mirrors');
const running: ChildProcess[] = [];

/** A TCP port on loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return address === null || typeof address === 'string' ? 0 : address.port;
}

export async function planMirror(folder: string, name: string): Promise<DemoMirror> {
  return { name, path: join(folder, name), url: `http://127.0.0.1:${await freePort()}/` };
}

/** Serves a mirror's folder until `stopAll`. */
export async function serve(mirror: DemoMirror): Promise<void> {
  const { host } = new URL(mirror.url);
  const child = spawn(program, ['serve', mirror.path, '--listen', host], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.push(child);
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() =>
      Promise.reject(new Error(`mirror ${mirror.name} did not start`)),
    ),
  ]);
}

/** The disk under a mirror is gone: neither its folder nor its server is there. */
export function goDown(mirror: DemoMirror): void {
  renameSync(mirror.path, `${mirror.path}.unplugged`);
}

/** It is back, as it was when it went. */
export async function comeBack(mirror: DemoMirror): Promise<void> {
  renameSync(`${mirror.path}.unplugged`, mirror.path);
  await serve(mirror);
}

/** Ends every server that was started here. */
export async function stopAll(): Promise<void> {
  for (const child of running) {
    if (child.exitCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}
