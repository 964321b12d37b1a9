/**
 * `npm run bench [-- NAME…]`: figures of what is here, beside what it is to be
 * compared with, measured in the same run. `--rounds N` for more or fewer.
 * Nothing here is asserted: what a machine shows depends on what else it does.
 */
import { parseArgs } from 'node:util';
import { benchStart } from './start.ts';

/** Each bench prints lines of its own. To add one: a file here, and its name. */
const BENCHES: Readonly<Record<string, (rounds: number) => Promise<string[]>>> = {
  start: benchStart,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '20' } },
});

for (const name of positionals.length === 0 ? Object.keys(BENCHES) : positionals) {
  const bench = BENCHES[name];
  if (bench === undefined) {
    throw new Error(`expected a bench of ${Object.keys(BENCHES).join(', ')}, found '${name}'`);
  }
  console.log(`${(await bench(Number(values.rounds))).join('\n')}\n`);
}
