/** Memory of `release ship`: an artifact of 1 GiB to three mirrors costs no more than a small one might. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startCommand } from '../harness/command.ts';
import { contentsOf, useGiteaProject } from '../harness/gitea-project.ts';

const SIZE = 1024 ** 3;
const BLOCK = 64 * 1024 ** 2;
const MAX_ABOVE_IDLE = 200 * 1024 ** 2;
const TIME = 15 * 60_000;

/** Bytes of memory that the process had at most so far; undefined when it is gone. */
function peakOf(pid: number | undefined): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kib = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
    return kib === undefined ? undefined : Number(kib) * 1024;
  } catch {
    return undefined;
  }
}

/** A process that has loaded what `release ship` loads, and waits. */
async function idlePeak(): Promise<number> {
  const module = new URL('../../release/ship.ts', import.meta.url).href;
  const script = `await import(${JSON.stringify(module)}); console.log('loaded'); setTimeout(() => {}, 60_000)`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  try {
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await sleep(500);
    const peak = peakOf(child.pid);
    if (peak === undefined) throw new Error('the idle process has ended');
    return peak;
  } finally {
    child.kill('SIGKILL');
  }
}

/** Random in each block of 64 MiB: nothing that a frame of 8 MiB could make smaller. */
function writeNoise(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const fd = openSync(path, 'w', 0o755);
  const block = randomBytes(BLOCK);
  for (let at = 0; at < SIZE; at += BLOCK) {
    block.writeUInt32LE(at / BLOCK, 0);
    writeSync(fd, block);
  }
  closeSync(fd);
}

it(
  'stays under 200 MiB above idle',
  async () => {
    const site = await useGiteaProject(['north', 'south', 'west'], {
      configure: (config) => {
        config.components = [
          { name: 'image', kind: 'file', platforms: { 'linux-x64': 'bin/image' } },
        ];
      },
    });
    writeNoise(join(site.project.directory, 'bin/image'));
    const idle = await idlePeak();
    const { child, done } = startCommand('release', ['ship'], {
      cwd: site.project.directory,
      env: site.env,
      timeoutMs: TIME,
    });
    let peak = 0;
    const timer = setInterval(() => {
      peak = Math.max(peak, peakOf(child.pid) ?? 0);
    }, 50);
    const { code, stderr } = await done.finally(() => clearInterval(timer));
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    for (const server of site.servers.values()) {
      const [name = ''] = contentsOf(server).assets['v1.0.0'] ?? [];
      expect(name).toMatch(/^image-1\.0\.0-linux-x64\.zst \d+$/);
      expect(Number(name.split(' ')[1])).toBeGreaterThan(SIZE * 0.99);
    }
    expect(statSync(join(site.project.directory, 'bin/image')).size).toBe(SIZE);
    const mib = (bytes: number): number => Math.round(bytes / 1024 ** 2);
    process.stdout.write(`idle ${mib(idle)} MiB, peak ${mib(peak)} MiB\n`);
    expect(peak).toBeGreaterThan(idle);
    expect(peak - idle).toBeLessThan(MAX_ABOVE_IDLE);
  },
  TIME,
);
