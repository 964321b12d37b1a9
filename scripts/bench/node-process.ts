/**
 * The node's side of a bench as one fresh process, with the same calls as the
 * updater makes while it stages a release.
 *
 *   extract ARCHIVE FOLDER      digest, then gate and extraction in one, checked against ARCHIVE.json
 *   durable ARCHIVE FOLDER      the same, and on the disk
 *   apply DELTA FOLDER BASE     a delta, to the tree in BASE
 *   download ARCHIVE TO URL…    from mirrors of which each has it as an artifact of release 1.0.0
 */
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { extractTree, type ListingEntry, type TreeInfo } from '@landfall/archive';
import { applyDelta } from '@landfall/delta';
import { TreeSync } from '@landfall/durable';
import { downloadArtifact, openMirrors } from '@landfall/mirrors';
import { beFrugal } from '../../updater/frugal.ts';

beFrugal();

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
    if (digestOf(fd) !== signed.sha256) throw new Error(`'${source}' is not what was packed`);
    mkdirSync(target);
    const { tree: expect } = signed;
    const sync = command === 'durable' ? new TreeSync(target) : undefined;
    const onWritten = (bytes: number): void => sync?.wrote(bytes);
    await extractTree(fd, target, { expect, name: source, onWritten });
    await sync?.finish();
  } finally {
    closeSync(fd);
  }
}

/** As a download does it: over pieces, in this thread. */
function digestOf(fd: number): string {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafeSlow(64 * 1024);
  for (let at = 0; ;) {
    const read = readSync(fd, buffer, 0, buffer.length, at);
    if (read === 0) return hash.digest('hex');
    hash.update(buffer.subarray(0, read));
    at += read;
  }
}

async function download(): Promise<void> {
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
  const [root = ''] = rest;
  const fd = openSync(source, 'r');
  if (digestOf(fd) !== signed.sha256) throw new Error(`'${source}' is not what was made`);
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
