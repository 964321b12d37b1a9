/**
 * The programs that we are compared with. As root on Debian what is missing is
 * installed; otherwise it is named, and its rows say that nothing was measured.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { HOUSE } from '../build/bundle.ts';

const PLACES = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];

/** Installs what it can; what stays missing is told to `note`. */
export function preparePeers(note: (line: string) => void): void {
  const script = join(HOUSE, 'scripts/system-packages.sh');
  const { status, stderr, stdout } = spawnSync('sh', [script, 'bench'], { encoding: 'utf8' });
  if (stdout !== '') process.stderr.write(stdout);
  if (status !== 0) note(stderr.trim().split('\n').at(-1) ?? 'peers are missing');
}

/** Whether a program cannot be started by its name. */
export function isMissing(program: string): boolean {
  return !PLACES.some((folder) => existsSync(join(folder, program)));
}
