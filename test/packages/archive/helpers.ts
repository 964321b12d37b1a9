/** What the tests of the archive share: trees on disk, and archives from buffers. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packTree, planTree, type TreeInfo } from '@landfall/archive';
import { temporaryFolder } from '../../harness/temporary.ts';

/** 2026-04-22T19:00:00Z */
export const MTIME = 1_776_884_400;

/** Content, or content and mode; undefined is a directory. */
export type Files = Readonly<
  Record<string, string | Buffer | { content: string; mode: number } | undefined>
>;

/** A new folder with these files, all readable by everyone. */
export function folderOf(files: Files): string {
  const root = join(temporaryFolder(), 'tree');
  mkdirSync(root, { mode: 0o755 });
  for (const [path, value] of Object.entries(files)) {
    const target = join(root, path);
    mkdirSync(value === undefined ? target : dirname(target), { recursive: true, mode: 0o755 });
    if (value === undefined) continue;
    const isPlain = typeof value === 'string' || Buffer.isBuffer(value);
    writeFileSync(target, isPlain ? value : value.content);
    chmodSync(target, isPlain ? 0o644 : value.mode);
  }
  return root;
}

/** A small web UI. */
export const WEB_UI: Files = {
  'index.html': '<!doctype html><title>Archipelago</title>\n',
  'assets/app.js': 'console.log("hello");\n'.repeat(500),
  'assets/app.css': 'body { margin: 0 }\n',
  'assets/icons/logo.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
  'bin/health': { content: '#!/bin/sh\nexit 0\n', mode: 0o755 },
  empty: undefined,
};

/** Packs a folder as it is; returns the archive's path and what it holds. */
export async function pack(
  folder: string,
  compression: 'zstd' | 'gzip' = 'zstd',
): Promise<{ path: string; tree: TreeInfo; sha256: string; size: number }> {
  const path = join(temporaryFolder(), compression === 'zstd' ? 'ui.tar.zst' : 'ui.tar.gz');
  const plan = planTree({ parts: [{ from: folder, at: '' }] });
  return { path, ...(await packTree(plan, path, { mtime: MTIME, compression })) };
}

/** `bytes` as a file. */
export function fileOf(bytes: Uint8Array, name = 'ui.tar'): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, bytes);
  return path;
}

/** A new empty directory to extract into. */
export function emptyDirectory(): string {
  const path = join(temporaryFolder(), 'staging');
  mkdirSync(path);
  return path;
}
