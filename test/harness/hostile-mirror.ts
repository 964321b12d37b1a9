/**
 * A mirror in an attacker's hands: a real HTTP server that can show anything
 * under any name, another thing each time it is asked, and break off, stall or
 * redirect as `http-faults.ts` knows it. It holds what was published to it in
 * memory, so that a test can put back, swap and mix what it likes.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { indexPath, releaseTag, signaturePath } from '@landfall/manifest';
import { onTestFinished } from 'vitest';
import { type Fault, type FaultRule, type SeenRequest, startFaultyServer } from './http-faults.ts';
import type { Release } from './release-factory.ts';

/** What is served in place of `honest`; undefined: 404. `count`: how often this path was asked for before. */
export type Lie = (
  path: string,
  honest: Buffer | undefined,
  count: number,
) => Uint8Array | string | undefined;

export interface HostileMirror {
  readonly url: string;
  /** What stands there: path without a leading slash → bytes. May be changed at any time. */
  readonly files: Map<string, Buffer>;
  /** The last word on every answer; honest unless set. */
  lie: Lie;
  readonly rules: FaultRule[];
  readonly requests: readonly SeenRequest[];
  /** Shows `release` as a mirror does: its artifacts, the manifest, the signature. */
  publish(release: Release, options?: { channel?: string | undefined }): void;
  /** Serves `bytes` in place of what stands at `path`; honest to whoever only asks for its size. */
  falsify(path: string, bytes: Uint8Array): void;
  /** Lets `fault` befall whoever reads a path that matches; honest to whoever only asks for its size. */
  break(path: RegExp, fault: Fault): void;
  /** Honest again, with what was published. */
  relent(): void;
}

export const MANIFEST = indexPath(undefined);
export const SIGNATURE = signaturePath(MANIFEST);
const HONEST: Lie = (_path, honest) => honest;

/** Where a mirror keeps an artifact of `release`; the first component's unless told. */
export function artifactOf({ manifest }: Release, component = 0): string {
  const file = manifest.components[component]?.artifacts[0]?.file ?? '';
  return `releases/download/${releaseTag(manifest.version)}/${file}`;
}

/** Starts one on loopback; it ends with the running test. */
export async function startHostileMirror(): Promise<HostileMirror> {
  const files = new Map<string, Buffer>();
  const falsehoods = new Map<string, Uint8Array>();
  const counts = new Map<string, number>();
  const server = await startFaultyServer((request) => {
    const path = decodeURIComponent(request.url?.split('?')[0] ?? '/').slice(1);
    const count = counts.get(path) ?? 0;
    counts.set(path, count + 1);
    const falsified = request.method === 'HEAD' ? undefined : falsehoods.get(path);
    const shown = falsified ?? mirror.lie(path, files.get(path), count);
    const headers = { 'content-type': 'application/octet-stream' };
    return Promise.resolve(
      shown === undefined
        ? { status: 404, headers: { 'content-type': 'text/plain' }, body: '404\n' }
        : { status: 200, headers, body: Buffer.from(shown) },
    );
  });
  onTestFinished(() => server.stop());
  const mirror: HostileMirror = {
    url: server.url,
    files,
    lie: HONEST,
    rules: server.rules,
    requests: server.requests,
    publish(release, { channel } = {}) {
      for (const [index, { artifacts }] of release.manifest.components.entries()) {
        const file = join(release.folder, artifacts[0]?.file ?? '');
        files.set(artifactOf(release, index), readFileSync(file));
      }
      files.set(indexPath(channel), Buffer.from(release.bytes));
      files.set(signaturePath(indexPath(channel)), Buffer.from(release.signature));
    },
    falsify: (path, bytes) => void falsehoods.set(path, bytes),
    break: (path, fault) => void server.rules.push({ method: 'GET', path, fault }),
    relent() {
      falsehoods.clear();
      server.rules.length = 0;
      mirror.lie = HONEST;
    },
  };
  return mirror;
}
