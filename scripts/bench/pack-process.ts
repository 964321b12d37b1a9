/**
 * The maintainer's side of a bench as one fresh process, with the same calls as
 * `release build` makes; what came of it goes to a file for the other side.
 *
 *   pack FOLDER OUT zstd|gzip LEVEL       writes OUT and OUT.json
 *   pack-file FILE OUT zstd|gzip LEVEL    the same of one file
 *   delta TO OUT FROM                     between two folders or two files, from what is on the disk
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { digestTree, packFile, packTree, planTree } from '@landfall/archive';
import { makeDelta, type Tree } from '@landfall/delta';

/** 2026-04-22, as `SOURCE_DATE_EPOCH` would say it. */
const MTIME = 1_776_884_400;

const [command = '', source = '', out = '', third = '', level] = process.argv.slice(2);
const compression = third === 'gzip' ? 'gzip' : 'zstd';

async function pack(): Promise<object> {
  const plan = planTree({ parts: [{ from: source, at: '' }] });
  return packTree(plan, out, { mtime: MTIME, compression, level: Number(level) });
}

async function delta(): Promise<object> {
  const [from, to] = [treeAt(third), treeAt(source)];
  const made = await makeDelta({ from, to, outPath: out });
  const had = new Set(from.listing.map(({ sha256 }) => sha256));
  const changed = to.listing.filter(({ sha256 }) => !had.has(sha256));
  return {
    ...made,
    base: from.listing,
    tree: statSync(source).isDirectory() ? digestTree(source) : undefined,
    changedBytes: changed.reduce((sum, { size }) => sum + size, 0),
  };
}

function treeAt(root: string): Tree {
  if (statSync(root).isDirectory()) return { root, listing: digestTree(root).listing };
  const bytes = readFileSync(root);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { root, listing: [{ path: '.', type: 'file', mode: 0o755, size: bytes.length, sha256 }] };
}

const COMMANDS: Readonly<Record<string, () => Promise<object>>> = {
  pack,
  'pack-file': () => packFile(source, out, { compression, level: Number(level) }),
  delta,
};

const run = COMMANDS[command];
if (run === undefined) throw new Error(`no command '${command}'`);
void run().then((made) => writeFileSync(`${out}.json`, JSON.stringify(made)));
