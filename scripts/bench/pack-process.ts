/**
 * The maintainer's side of a bench as one fresh process, with the same calls as
 * `release build` makes; what came of it goes to a file for the other side.
 *
 *   pack FOLDER OUT zstd|gzip LEVEL       writes OUT and OUT.json
 */
import { writeFileSync } from 'node:fs';
import { packTree, planTree } from '@landfall/archive';

/** 2026-04-22, as `SOURCE_DATE_EPOCH` would say it. */
const MTIME = 1_776_884_400;

const [command, source = '', out = '', codec, level] = process.argv.slice(2);

async function pack(): Promise<void> {
  const plan = planTree({ parts: [{ from: source, at: '' }] });
  const compression = codec === 'gzip' ? 'gzip' : 'zstd';
  const made = await packTree(plan, out, { mtime: MTIME, compression, level: Number(level) });
  writeFileSync(`${out}.json`, JSON.stringify(made));
}

if (command !== 'pack') throw new Error(`expected pack, found '${command}'`);
void pack();
