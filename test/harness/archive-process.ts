/**
 * A process that packs a folder, or opens an archive, and prints what came of
 * it and its peak memory as one line of JSON. Tests run it as other users,
 * under other umasks, and with hostile archives.
 *
 *   pack FOLDER OUT zstd|gzip     gate ARCHIVE     extract ARCHIVE FOLDER     digest FOLDER
 */
import { readFileSync } from 'node:fs';
import { digestTree, extractTree, gateArchive, packTree, planTree } from '@landfall/archive';
import { OtaError } from '@landfall/errors';
import { beFrugal } from '@landfall/archive/frugal';

beFrugal();

/** As if all that an archive may hold had been signed. */
const ANYTHING = { digest: '0'.repeat(64), entries: 120_000, size: 16 * 1024 ** 3 };

const [command, source = '', out = '', compression] = process.argv.slice(2);

async function run(): Promise<unknown> {
  if (command === 'pack') {
    const plan = planTree({ parts: [{ from: source, at: '' }] });
    const packing = compression === 'gzip' ? 'gzip' : 'zstd';
    return packTree(plan, out, { mtime: 1_776_884_400, compression: packing });
  }
  if (command === 'gate') return (await gateArchive(source)).tree;
  if (command === 'extract') return (await extractTree(source, out, { expect: ANYTHING })).tree;
  const { listing, ...tree } = digestTree(source);
  return { ...tree, files: listing.length };
}

void run()
  .catch((error: unknown) => {
    if (!(error instanceof OtaError)) throw error;
    return { code: error.code, message: error.message };
  })
  .then((result) => {
    // Not resourceUsage().maxRSS: that starts at what the process that forked us had.
    const peak = /VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    console.log(JSON.stringify({ result, maxRss: Number(peak) * 1024 }));
    return undefined;
  });
