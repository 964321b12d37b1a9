/** Packs, gates and digests in a process of its own, as any user and under any umask. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** As a bundle, as nodes run the updater: reading the sources takes 30 MB by itself. */
const HELPER = join(process.env['LANDFALL_TEST_LAUNCHERS'] ?? '', 'archive-process.cjs');

export interface ArchiveOutcome {
  /** What the call returned, or `code` and `message` of the error it threw. */
  result: Record<string, unknown>;
  /** Peak memory of the process in bytes. */
  maxRss: number;
}

/**
 * Runs `pack FOLDER OUT zstd|gzip`, `gate ARCHIVE`, `extract ARCHIVE FOLDER` or
 * `digest FOLDER` under a umask (octal, 022 unless told), as this user and group. At most a minute.
 */
export function runArchive(
  args: readonly string[],
  options: { umask?: string; uid?: number } = {},
): ArchiveOutcome {
  const script = `umask ${options.umask ?? '022'}; exec "$@"`;
  const done = spawnSync('sh', ['-c', script, 'sh', process.execPath, HELPER, ...args], {
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (done.status !== 0) throw new Error(`archive process failed: ${done.stderr}`);
  return JSON.parse(done.stdout) as ArchiveOutcome;
}
