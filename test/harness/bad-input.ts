/**
 * Tables of bad input to `release`: what is wrong, how to make it so, and the
 * exact line, hint and exit code that must come of it.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { serializeSecretKey } from '@landfall/minisign';
import { onTestFinished } from 'vitest';
import type { CommandOptions } from './command.ts';
import { type Project, useProject } from './project.ts';

/** `nobody`: a user that is not root, so that permissions mean something. */
export const NOBODY = { uid: 65_534, gid: 65_534 };

export interface BadInput {
  /** What is wrong. */
  name: string;
  args: string[];
  options?: CommandOptions;
  prepare?: (site: Project) => void | Promise<void>;
  code: number;
  error: string;
  hint: string;
}

/** Runs one row: what came out, and what should have. */
export async function tryBadInput(row: BadInput): Promise<{ found: unknown; expected: unknown }> {
  const site = await useProject();
  await row.prepare?.(site);
  const { code, stdout, stderr } = await site.release(row.args, row.options);
  const lines = normalise(stderr, site).split('\n');
  const at = lines.findIndex((line) => line.startsWith('error: '));
  return {
    found: { code, lines: lines.slice(at), stdout },
    expected: {
      code: row.code,
      lines: [`error: ${row.error}`, `  hint: ${row.hint}`, ''],
      stdout: '',
    },
  };
}

/** Takes out what differs from run to run: folders, keys. */
export function normalise(text: string, site: Project): string {
  return text
    .replaceAll(site.directory, '<project>')
    .replaceAll(site.root, '<root>')
    .replaceAll(/\bRW[A-Za-z0-9+/]{54}/g, '<public key>')
    .replaceAll(/\b[0-9A-F]{13,16}\b/g, '<key id>');
}

/** Gives the project to `nobody`. */
export function giveAway(site: Project): void {
  execFileSync('chown', ['-R', `${NOBODY.uid}:${NOBODY.gid}`, site.root]);
  chmodSync(site.root, 0o755);
}

/** Changes the configuration and writes it. */
export function configure(change: (config: Project['config']) => unknown): (site: Project) => void {
  return (site) => {
    change(site.config);
    site.writeConfig();
  };
}

/** Encrypts the project's key with a password; cheap to open. */
export async function encryptKey(site: Project): Promise<void> {
  const cheap = { opslimit: 32_768, memlimit: 16_777_216 };
  const text = await serializeSecretKey(site.key, { password: 'correct horse', ...cheap });
  site.write('keys/release.key', text, 0o600);
}

/** A disk of 64 KiB at `path`, until the running test ends. Needs root, as CI has. */
export function mountSmall(path: string): void {
  mkdirSync(path);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'landfall-test', path]);
  onTestFinished(() => void execFileSync('umount', [path]));
}
