/** One download in a process of its own, whose disk may be made to refuse. Prints the outcome. */
import { type DownloadOptions, downloadArtifact, openMirrors } from '@landfall/mirrors';

/** What the process is told, as JSON. */
export interface DownloadJob {
  /** Of mirrors. */
  urls: readonly string[];
  options: Pick<DownloadOptions, 'version' | 'file' | 'size' | 'sha256' | 'frames' | 'to'>;
}

const job = JSON.parse(process.argv[2] ?? '') as DownloadJob;
const NAMES = ['north', 'south', 'east'];
const mirrors = openMirrors(
  job.urls.map((url, index) => ({ type: 'directory', name: NAMES[index] ?? 'more', url })),
);
const outcome = await downloadArtifact(mirrors, job.options).then(
  ({ mirror }) => `from ${mirror}`,
  (error: unknown) => `failed: ${String(error)}`,
);
process.stdout.write(`${outcome}\n`);
