/** A disk that does not take a download: not the mirror's fault, and nothing stays. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import type { DownloadJob } from '../harness/download-process.ts';
import { startFaultyMirror } from '../harness/faulty-mirror.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { mirrorFolder, smallRelease } from '../harness/mirror-folder.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const SCRIPT = fileURLToPath(new URL('../harness/download-process.ts', import.meta.url));

it.each([
  ['refuses to grow the file', 'ulimit -f 100;', /^failed: Error: EFBIG/, false],
  ['takes it', '', /^from north$/m, true],
])('a disk that %s', async (_, limit, outcome, stays) => {
  const release = smallRelease([testKey()], 4);
  const server = await startFaultyMirror(mirrorFolder(release));
  onTestFinished(() => server.stop());
  const { bytes: _bytes, ...wanted } = release.artifact;
  const to = join(temporaryFolder(), 'a.unverified');
  const job: DownloadJob = { urls: [server.url, server.url], options: { ...wanted, to } };
  const script = `${limit} exec "$0" "$@"`;
  const args = ['-c', script, process.execPath, SCRIPT, JSON.stringify(job)];
  const { stdout } = await promisify(execFile)('sh', args);
  expect(stdout).toMatch(outcome);
  expect(existsSync(to)).toBe(stays);
  const asked = server.requests.filter(({ url }) => url.includes('/download/'));
  expect(asked).toHaveLength(1);
});
