/**
 * A publisher in a process of its own, to be killed: ensures a release, uploads
 * its one artifact and writes the index, to the mirrors of a JSON on its
 * command line. `LANDFALL_CRASH_AT` says where it dies.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type MirrorConfig, openWritableMirrors, prepareIndexUpdate } from '@landfall/mirrors';

/** What the process is told. */
export interface PublishJob {
  mirrors: MirrorConfig[];
  version: string;
  /** The artifact. */
  path: string;
  /** The index's one file, `releases/manifest.json`. */
  manifest: string;
  /** Scratch repository. */
  repository: string;
}

async function publish(job: PublishJob): Promise<void> {
  const mirrors = openWritableMirrors(job.mirrors, { retry: { firstDelayMs: 20 } });
  const bytes = readFileSync(job.path);
  const artifact = {
    file: basename(job.path),
    size: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
  const release = { version: job.version, notes: '', prerelease: false, files: [artifact] };
  for (const mirror of mirrors) {
    await mirror.ensureRelease(release, {});
    await mirror.uploadArtifact(job.version, job.path, artifact);
  }
  const update = await prepareIndexUpdate({
    mirrors,
    files: new Map([['releases/manifest.json', Buffer.from(job.manifest)]]),
    message: `Release ${job.version}`,
    date: '2026-04-22T19:00:00Z',
    repository: job.repository,
  });
  for (const mirror of mirrors) await mirror.writeIndex(update, {});
}

await publish(JSON.parse(process.argv[2] ?? '') as PublishJob);
