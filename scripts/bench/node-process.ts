/**
 * The node's side of a bench as one fresh process, with the same calls as the
 * updater makes while it stages a release.
 *
 *   extract ARCHIVE FOLDER      digest, gate and extraction, checked against ARCHIVE.json
 *   durable ARCHIVE FOLDER      the same, and on the disk
 */
import '../../updater/frugal.ts';
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs';
import { extractTree, gateArchive, sameTree, type TreeInfo } from '@landfall/archive';
import { syncTree } from '@landfall/durable';

const [command, source = '', folder = ''] = process.argv.slice(2);

interface Signed {
  sha256: string;
  tree: TreeInfo;
}

async function extract(): Promise<void> {
  const signed = JSON.parse(readFileSync(`${source}.json`, 'utf8')) as Signed;
  const fd = openSync(source, 'r');
  try {
    if (digestOf(fd) !== signed.sha256) throw new Error(`'${source}' is not what was packed`);
    const { tree } = await gateArchive(fd, { name: source });
    if (!sameTree(tree, signed.tree)) throw new Error(`'${source}' holds another tree`);
    mkdirSync(folder);
    await extractTree(fd, folder, { expect: signed.tree, name: source });
  } finally {
    closeSync(fd);
  }
  if (command === 'durable') syncTree(folder);
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

if (command !== 'extract' && command !== 'durable') {
  throw new Error(`expected extract or durable, found '${command}'`);
}
void extract();
