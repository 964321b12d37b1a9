/**
 * The Node that goes into a single executable: the one that package-lock.json
 * names for the platform. This machine's own was checked and installed by npm;
 * npm fetches another machine's when asked, and its bytes are held against the
 * lock file here. What was fetched stays in node_modules/.cache.
 */
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { HOUSE } from './bundle.ts';

/** As the manifest names them. */
export type Platform = 'linux-x64' | 'linux-arm64';
export const PLATFORMS: readonly Platform[] = ['linux-x64', 'linux-arm64'];

interface LockFile {
  packages: Record<string, { version: string; integrity: string } | undefined>;
}

/** The npm package that brings the runtime for `platform`, as package-lock.json has it. Digest in hex. */
export function lockedRuntime(platform: Platform): {
  name: string;
  version: string;
  integrity: string;
  sha512: string;
} {
  const name = `node-${platform}`;
  const lock = JSON.parse(readFileSync(join(HOUSE, 'package-lock.json'), 'utf8')) as LockFile;
  const locked = lock.packages[`node_modules/${name}`];
  if (locked === undefined) throw new Error(`package-lock.json names no '${name}'`);
  const { version, integrity } = locked;
  const sha512 = Buffer.from(integrity.replace(/^sha512-/, ''), 'base64').toString('hex');
  if (`v${version}` === process.version) return { name, version, integrity, sha512 };
  throw new Error(`expected to be run by Node v${version}, found ${process.version}`);
}

/** Path of the runtime for `platform`. Throws when it cannot be had, or is not what the lock file says. */
export function findRuntime(platform: Platform): string {
  const { name, version, integrity } = lockedRuntime(platform);
  const installed = join(HOUSE, 'node_modules', name, 'bin/node');
  if (existsSync(installed)) return installed;
  const cache = join(HOUSE, 'node_modules/.cache/runtimes');
  const kept = join(cache, `${name}-${version}`);
  if (!existsSync(kept)) fetchRuntime(`${name}@${version}`, integrity, cache, kept);
  return kept;
}

function fetchRuntime(name: string, integrity: string, cache: string, kept: string): void {
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, 'new-'));
  try {
    const packed = execFileSync(
      'npm',
      ['pack', name, '--silent', '--prefer-offline', '--pack-destination', scratch],
      { cwd: scratch, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const archive = join(scratch, packed.trim().split('\n').at(-1) ?? '');
    const found = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
    if (found !== integrity) {
      throw new Error(`'${name}': expected ${integrity} (package-lock.json), found ${found}`);
    }
    execFileSync('tar', ['-xzf', archive, '-C', scratch, 'package/bin/node']);
    const program = join(scratch, 'package/bin/node');
    chmodSync(program, 0o755);
    renameSync(program, kept);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
