/** One download in a process of its own, whose disk may be made to refuse. Prints the outcome. */
import { type DownloadOptions, downloadArtifact, openMirrors } from '@landfall/mirrors';

/** What the process is told, as JSON. */
export interface DownloadJob {
  url: string;
  options: Pick<DownloadOptions, 'version' | 'file' | 'size' | 'sha256' | 'to'>;
}

const job = JSON.parse(process.argv[2] ?? '') as DownloadJob;
const mirrors = openMirrors([
  { type: 'directory', name: 'north', url: job.url },
  { type: 'directory', name: 'south', url: job.url },
]);
const outcome = await downloadArtifact(mirrors, job.options).then(
  ({ mirror }) => `from ${mirror}`,
  (error: unknown) => `failed: ${String(error)}`,
);
process.stdout.write(`${outcome}\n`);
