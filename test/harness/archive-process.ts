/**
 * A process that packs a folder, or opens an archive, and prints what came of
 * it and its peak memory as one line of JSON. Tests run it as other users,
 * under other umasks, and with hostile archives.
 *
 *   pack FOLDER OUT zstd|gzip     gate ARCHIVE     digest FOLDER
 */
import { readFileSync } from 'node:fs';
import { digestTree, gateArchive, packTree, planTree } from '@landfall/archive';
import { OtaError } from '@landfall/errors';

const [command, source = '', out = '', compression] = process.argv.slice(2);

async function run(): Promise<unknown> {
  if (command === 'pack') {
    const plan = planTree({ parts: [{ from: source, at: '' }] });
    const packing = compression === 'gzip' ? 'gzip' : 'zstd';
    return packTree(plan, out, { mtime: 1_776_884_400, compression: packing });
  }
  if (command === 'gate') return (await gateArchive(source)).tree;
  const { listing, ...tree } = digestTree(source);
  return { ...tree, files: listing.length };
}

const result = await run().catch((error: unknown) => {
  if (!(error instanceof OtaError)) throw error;
  return { code: error.code, message: error.message };
});
// Not resourceUsage().maxRSS: that starts at what the process that forked us had.
const peak = /VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
console.log(JSON.stringify({ result, maxRss: Number(peak) * 1024 }));
