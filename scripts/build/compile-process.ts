/**
 * Compiles the scripts in a folder, all functions of them, and writes what V8
 * made of each beside it, as `<name>.compiled`. To be run by the runtime that they are for, with
 * `--hash-seed=1`: hashes of names are in what is written, and the same scripts
 * are to give the same bytes.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';

const [folder = '.'] = process.argv.slice(2);

for (const name of readdirSync(folder).toSorted()) {
  if (!name.endsWith('.cjs')) continue;
  // Else what nothing calls here would be compiled when it is called there.
  setFlagsFromString('--no-lazy');
  const script = new Script(readFileSync(join(folder, name), 'utf8'), { filename: name });
  // V8 takes what was made under its own flags only: those it is to be read under.
  for (const flag of ['--lazy', '--hash-seed=0', '--random-seed=0']) setFlagsFromString(flag);
  writeFileSync(join(folder, `${name}.compiled`), script.createCachedData());
}
