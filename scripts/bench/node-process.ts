/**
 * The node's side of a bench as one fresh process, with the same calls as the
 * updater makes while it stages a release.
 *
 *   extract ARCHIVE FOLDER      digests, range by range as they are needed, with gate and extraction in one
 *   durable ARCHIVE FOLDER      the same, and on the disk
 *   apply DELTA FOLDER BASE     a delta, to the tree in BASE
 *   download ARCHIVE TO URL…    from mirrors of which each has it as an artifact of release 1.0.0
 *
 * What one of them needs alone is loaded with it, as in the updater.
 */
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Arrival, extractTree, type ListingEntry, type TreeInfo } from '@landfall/archive';
import { TreeSync } from '@landfall/durable';
import { beFrugal } from '@landfall/archive/frugal';

beFrugal(['node:crypto', 'node:worker_threads', 'node:zlib']);

const [command = '', source = '', target = '', ...rest] = process.argv.slice(2);

/** What `pack-process.ts` wrote down, and a manifest would say. */
interface Signed {
  size: number;
  sha256: string;
  tree: TreeInfo;
  /** The listing of what a delta is applied to. */
  base?: ListingEntry[];
  frames?: { size: number; sha256: string }[];
}

const signed = JSON.parse(readFileSync(`${source}.json`, 'utf8')) as Signed;

async function extract(): Promise<void> {
  const fd = openSync(source, 'r');
  try {
    mkdirSync(target);
    const arrival = new Checked();
    const { tree: expect } = signed;
    const sync = command === 'durable' ? new TreeSync(target) : undefined;
    const onWritten = (bytes: number): void => sync?.wrote(bytes);
    const extracted = extractTree(fd, target, { expect, name: source, arrival, onWritten });
    await Promise.all([arrival.check(fd), extracted]);
    await sync?.finish();
  } finally {
    closeSync(fd);
  }
}

/** A file of which no byte is read before its range was found to be as signed, like one that is being downloaded. */
class Checked implements Arrival {
  readonly size = signed.size;
  here = 0;
  #changed = Promise.withResolvers<void>();

  /** Finds the ranges of what is behind `fd` to be right, one after the other. */
  async check(fd: number): Promise<void> {
    for (const { size, sha256 } of signed.frames ?? [signed]) {
      if (digestOf(fd, this.here, size) !== sha256) {
        throw new Error(`'${source}' is not what was packed`);
      }
      this.here += size;
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
      await nextTurn();
    }
  }

  async until(bytes: number): Promise<void> {
    while (this.here < bytes) await this.#changed.promise;
  }
}

/** As a download does it: over pieces, in this thread. */
function digestOf(fd: number, start: number, size: number): string {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafeSlow(64 * 1024);
  for (let at = start; at < start + size;) {
    const read = readSync(fd, buffer, 0, Math.min(buffer.length, start + size - at), at);
    if (read === 0) break;
    hash.update(buffer.subarray(0, read));
    at += read;
  }
  return hash.digest('hex');
}

async function download(): Promise<void> {
  const { downloadArtifact, openMirrors } = await import('@landfall/mirrors');
  const { size, sha256, frames } = signed;
  const mirrors = openMirrors(
    rest.map((url, index) => ({ type: 'directory', name: `mirror-${index}`, url })),
  );
  const signs = { size, sha256, ...(frames === undefined ? {} : { frames }) };
  const { fd } = await downloadArtifact(mirrors, {
    ...signs,
    version: '1.0.0',
    file: basename(source),
    to: target,
  });
  closeSync(fd);
}

/** Files that stay are held to their digests and linked, as on a node. */
async function apply(): Promise<void> {
  const { applyDelta } = await import('@landfall/delta');
  const [root = ''] = rest;
  const fd = openSync(source, 'r');
  if (digestOf(fd, 0, signed.size) !== signed.sha256)
    throw new Error(`'${source}' is not what was made`);
  mkdirSync(target);
  const base = { root, listing: signed.base ?? [] };
  await applyDelta(fd, { base, expect: signed.tree, into: target });
  closeSync(fd);
}

const COMMANDS: Readonly<Record<string, () => Promise<void>>> = {
  extract,
  durable: extract,
  apply,
  download,
};

const run = COMMANDS[command];
if (run === undefined) throw new Error(`no command '${command}'`);
void run();
