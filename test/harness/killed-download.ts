/**
 * A download by frames from three mirrors, in processes that are killed on the
 * way, and what is right of it on the disk. Every frame is looked at by its own
 * digest, as the download itself does.
 */
import { spawn } from 'node:child_process';
import { createHash, hash } from 'node:crypto';
import { closeSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { downloadArtifact, openMirrors } from '@landfall/mirrors';
import { expect, onTestFinished } from 'vitest';
import { cleanEnvironment } from './command.ts';
import type { DownloadJob } from './download-process.ts';
import { startFaultyMirror } from './faulty-mirror.ts';
import type { FaultyServer } from './http-faults.ts';
import { mirrorFolder, put } from './mirror-folder.ts';
import { temporaryFolder } from './temporary.ts';

const SCRIPT = fileURLToPath(new URL('download-process.ts', import.meta.url));
const VERSION = '1.0.0';
const FILE = 'noise';
/** Larger than what is written at once, so that there are frames that are there in part. */
const FRAME = 1_400_000;
const CONTENT = createHash('shake256', { outputLength: 6 * FRAME + 1000 })
  .update(FILE)
  .digest();

/** What is signed of consecutive ranges of `bytes`, of `size` each. */
export function framesOf(bytes: Buffer, size: number): { size: number; sha256: string }[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => {
    const part = bytes.subarray(index * size, (index + 1) * size);
    return { size: part.length, sha256: hash('sha256', part) };
  });
}

/** Frames, by their index, that are right in the file at `path`. */
export function rightFrames(path: string, frames: ReturnType<typeof framesOf>): number[] {
  const found = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
  let start = 0;
  return frames.flatMap(({ size, sha256 }, index) => {
    const part = found.subarray(start, (start += size));
    return hash('sha256', part) === sha256 ? [index] : [];
  });
}

/** Frames of `size` bytes that servers were asked for, by range. */
export function askedFrames(servers: readonly FaultyServer[], size: number): number[] {
  const asked = new Set<number>();
  for (const range of servers.flatMap(({ requests }) => requests.map((each) => each.range))) {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
    if (from === undefined) continue;
    for (let at = Number(from); at <= Number(to); at += size) asked.add(Math.floor(at / size));
  }
  return [...asked].toSorted((a, b) => a - b);
}

export interface KilledDownload {
  servers: FaultyServer[];
  /** Path of the download. */
  to: string;
  frameCount: number;
  /** Frames that are right on the disk. */
  right: () => number[];
  /** Downloads in a process of its own; `meanwhile` may kill it. Resolves to what ended it, or what it printed. */
  start: (
    env?: Record<string, string>,
    meanwhile?: (kill: () => void) => Promise<void>,
  ) => Promise<string>;
  /** Makes a frame wrong on the disk. */
  damage: (frame: number) => void;
  /** Goes on to the end, and expects that to be right, and that nothing was fetched that was right. */
  finish: () => Promise<void>;
}

/** The download is to lie in `folder`. */
export async function killedDownload(folder = temporaryFolder()): Promise<KilledDownload> {
  const mirror = mirrorFolder();
  put(mirror, `releases/download/v${VERSION}/${FILE}`, CONTENT);
  const servers: FaultyServer[] = [];
  for (let count = 0; count < 3; count += 1) {
    const server = await startFaultyMirror(mirror, undefined, { ranges: true });
    onTestFinished(() => server.stop());
    servers.push(server);
  }
  const to = join(folder, `${FILE}.unverified`);
  const frames = framesOf(CONTENT, FRAME);
  const sha256 = hash('sha256', CONTENT);
  const options = { version: VERSION, file: FILE, size: CONTENT.length, sha256, frames, to };
  const urls = servers.map(({ url }) => url);
  const right = (): number[] => rightFrames(to, frames);
  return {
    servers,
    to,
    frameCount: frames.length,
    right,
    start: (env = {}, meanwhile) => runJob({ urls, options }, env, meanwhile),
    damage(frame) {
      const bytes = readFileSync(to);
      bytes[frame * FRAME] = (bytes[frame * FRAME] ?? 0) ^ 1;
      writeFileSync(to, bytes);
    },
    async finish() {
      const missing = frames.flatMap((_, index) => (right().includes(index) ? [] : [index]));
      for (const server of servers) {
        server.rules.splice(0);
        server.requests.splice(0);
      }
      const mirrors = openMirrors(
        urls.map((url, index) => ({ type: 'directory', name: `mirror-${index}`, url })),
      );
      const { fd, failed } = await downloadArtifact(mirrors, options);
      closeSync(fd);
      expect(failed).toEqual([]);
      expect(askedFrames(servers, FRAME)).toEqual(missing);
      expect(readFileSync(to).equals(CONTENT)).toBe(true);
    },
  };
}

async function runJob(
  job: DownloadJob,
  env: Record<string, string>,
  meanwhile?: (kill: () => void) => Promise<void>,
): Promise<string> {
  const child = spawn(process.execPath, [SCRIPT, JSON.stringify(job)], {
    env: cleanEnvironment(env),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.once('error', reject);
  child.once('close', (_, signal) => resolve(signal ?? said.trim()));
  await Promise.all([meanwhile?.(() => void child.kill('SIGKILL')), promise]);
  return promise;
}
