/**
 * The maintainer's side of a bench as one fresh process, with the same calls as
 * `release build` makes; what came of it goes to a file for the other side.
 *
 *   pack FOLDER OUT zstd|gzip LEVEL       writes OUT and OUT.json
 *   pack-file FILE OUT zstd|gzip LEVEL    the same of one file
 */
import { writeFileSync } from 'node:fs';
import { packFile, packTree, planTree } from '@landfall/archive';

/** 2026-04-22, as `SOURCE_DATE_EPOCH` would say it. */
const MTIME = 1_776_884_400;

const [command, source = '', out = '', codec, level] = process.argv.slice(2);

const compression = codec === 'gzip' ? 'gzip' : 'zstd';

async function pack(): Promise<object> {
  const plan = planTree({ parts: [{ from: source, at: '' }] });
  return packTree(plan, out, { mtime: MTIME, compression, level: Number(level) });
}

async function run(): Promise<void> {
  if (command !== 'pack' && command !== 'pack-file') {
    throw new Error(`expected pack or pack-file, found '${command}'`);
  }
  const made =
    command === 'pack'
      ? await pack()
      : await packFile(source, out, { compression, level: Number(level) });
  writeFileSync(`${out}.json`, JSON.stringify(made));
}

void run();
