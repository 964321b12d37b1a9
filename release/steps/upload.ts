/**
 * Sends what is missing to every mirror, all mirrors at once, to each as many files
 * at a time as it takes. Nothing refers to an artifact yet, so a crash anywhere here leaves
 * files that nobody knows, and that the next run finds and keeps.
 */
import { join } from 'node:path';
import { crashPoint, formatBytes, formatDuration } from '@landfall/cli';
import { artifactFiles, type ReleaseFile } from '@landfall/manifest';
import semver from 'semver';
import { failureText, type MirrorProgress, onEach } from '../mirror-progress.ts';
import { need, patienceOf, type Shipment } from '../shipment.ts';
import type { Show } from '../show.ts';

/** Whether a mirror served all artifacts and this very index before this run. */
export function isDone(shipment: Shipment, progress: MirrorProgress): boolean {
  const { manifest, sha256 } = need(shipment.signed, 'signed manifest').verified;
  const row = shipment.survey?.rows.find(({ mirror }) => mirror === progress.mirror);
  return row?.verified?.sha256 === sha256 && progress.held.size === artifactFiles(manifest).length;
}

/** Uploads to every mirror that has not failed. */
export async function uploadArtifacts(shipment: Shipment, show: Show): Promise<void> {
  const { mirrors, signal } = shipment;
  const { manifest } = need(shipment.signed, 'signed manifest').verified;
  const artifacts = artifactFiles(manifest);
  const sendAll = async (progress: MirrorProgress, stop: AbortSignal): Promise<void> => {
    if (isDone(shipment, progress)) return;
    await progress.mirror.ensureRelease(
      {
        version: manifest.version,
        notes: manifest.notes,
        prerelease: semver.prerelease(manifest.version) !== null,
        ...(manifest.commit === '' ? {} : { commit: manifest.commit }),
        files: artifacts.map(({ file, size }) => ({ file, size })),
      },
      { signal: stop },
    );
    crashPoint('ship-release-ensured');
    // Also what is held: only the mirror itself sees second copies that a broken-off upload left.
    await eachAtOnce(artifacts, progress.mirror.uploadsAtOnce, async (artifact) => {
      await uploadOne({ ...shipment, signal: stop }, progress, artifact, show);
      crashPoint('ship-artifact-uploaded');
    });
  };
  await onEach(mirrors, 'upload', signal, sendAll, patienceOf(shipment));
  const sent = mirrors.reduce((sum, each) => sum + each.sent, 0);
  const failed = mirrors.filter(({ failure }) => failure?.doing === 'upload');
  for (const each of failed) show.line(`${each.mirror.name}: ${failureText(each)}`);
  show.outcome(sent === 0 ? 'nothing was missing' : `${formatBytes(sent)} sent`);
}

/** Does `work` for all, so many at the same time. After a failure nothing more is begun, and what runs is awaited. */
async function eachAtOnce<T>(
  all: readonly T[],
  most: number,
  work: (one: T) => Promise<void>,
): Promise<void> {
  const waiting = [...all];
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      try {
        await work(next);
      } catch (error) {
        failures.push(error);
        waiting.length = 0;
      }
    }
  };
  await Promise.all(Array.from({ length: most }, worker));
  if (failures.length > 0) throw failures[0];
}

async function uploadOne(
  shipment: Shipment,
  progress: MirrorProgress,
  artifact: ReleaseFile,
  show: Show,
): Promise<void> {
  const { file, size, sha256 } = artifact;
  const { mirror, held } = progress;
  const started = performance.now();
  const rate = (bytes: number): string =>
    `${formatBytes(Math.round((bytes * 1000) / Math.max(1, performance.now() - started)))}/s`;
  await mirror.uploadArtifact(shipment.version, join(shipment.folder, file), {
    size,
    sha256,
    signal: shipment.signal,
    onProgress: (bytes) => {
      const percent = Math.floor((100 * bytes) / size);
      show.live(mirror.name, `${file} ${percent} %, ${formatBytes(bytes)}, ${rate(bytes)}`);
    },
  });
  if (held.has(file)) return;
  shipment.proofs?.note(mirror, artifact, 'uploaded');
  progress.sent += size;
  const took = formatDuration(performance.now() - started);
  show.live(mirror.name, `${file} sent`);
  show.line(`${mirror.name}: ${file} ${formatBytes(size)} in ${took} (${rate(size)})`);
}
