/**
 * Watches mirrors as a stranger while somebody publishes: whenever a mirror
 * serves a validly signed index, it must serve every artifact that the index
 * names, with the signed bytes. A single moment at which it does not is kept.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { OtaError } from '@landfall/errors';
import { artifactFiles } from '@landfall/manifest';
import { type Mirror, surveyMirrors } from '@landfall/mirrors';
import type { TrustPolicy } from '@landfall/trust';

export interface WatcherOptions {
  mirrors: readonly Mirror[];
  app: string;
  policy: TrustPolicy;
  /** Milliseconds between two looks; 0 unless told. */
  intervalMs?: number;
}

export interface Watched {
  /** How often all mirrors were looked at. */
  looks: number;
  /** How often a valid index was seen, and its artifacts were read. */
  indexes: number;
  /** Every moment at which an index named what its mirror did not serve. */
  broken: string[];
}

/** Starts watching; `stop` ends it and tells what was seen. */
export function watchPublication(options: WatcherOptions): { stop(): Promise<Watched> } {
  const watched: Watched = { looks: 0, indexes: 0, broken: [] };
  const stopping = new AbortController();
  const watching = (async () => {
    while (!stopping.signal.aborted) {
      await look(options, watched);
      await sleep(options.intervalMs ?? 0);
    }
    // Once more, so that the state at the end is seen too.
    await look(options, watched);
  })();
  return {
    stop: async () => {
      stopping.abort();
      await watching;
      return watched;
    },
  };
}

async function look({ mirrors, app, policy }: WatcherOptions, watched: Watched): Promise<void> {
  watched.looks += 1;
  await Promise.all(
    mirrors.map(async (mirror) => {
      const survey = await surveyMirrors([mirror], { app, policy });
      const manifest = survey.best?.manifest;
      if (manifest === undefined) return;
      watched.indexes += 1;
      for (const { file, size, sha256 } of artifactFiles(manifest)) {
        const found = await read(mirror, manifest.version, file, size);
        if (found === sha256) continue;
        watched.broken.push(`'${mirror.name}' names ${manifest.version} ${file}: found ${found}`);
      }
    }),
  );
}

/** The SHA-256 of what is served, or why nothing is. */
async function read(mirror: Mirror, version: string, file: string, size: number): Promise<string> {
  try {
    const stream = await mirror.openArtifact(version, file, { maxBytes: size, deadlineMs: 10_000 });
    if (stream === undefined) return 'nothing';
    const hash = createHash('sha256');
    for await (const chunk of stream.body) hash.update(chunk);
    return hash.digest('hex');
  } catch (error) {
    if (error instanceof OtaError) return error.message;
    throw error;
  }
}
