/** What `updater run` has loaded while it waits: it is there for months, on small machines. */
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const HOUSE = fileURLToPath(new URL('../..', import.meta.url));

/** Files that are loaded with `file`, and names of other modules; what is imported as a function call comes later. */
function loadedWith(file: string, seen = new Set<string>()): Set<string> {
  const path = relative(HOUSE, file);
  if (seen.has(path)) return seen;
  seen.add(path);
  if (!file.endsWith('.ts')) return seen;
  const text = readFileSync(file, 'utf8');
  const imports = /^(?:import|export) (?!type\b)(?:[^;]*? from )?'([^']+)'/gm;
  for (const [, name = ''] of text.matchAll(imports)) {
    const own = /^@landfall\/(.+)$/.exec(name)?.[1];
    const part = own?.includes('/') === true ? `${own}.ts` : `${own}/index.ts`;
    if (own !== undefined) loadedWith(join(HOUSE, 'packages', part), seen);
    else if (name.startsWith('.')) loadedWith(join(dirname(file), name), seen);
    else seen.add(name);
  }
  return seen;
}

it('run waits with few modules loaded, none of them a library', () => {
  const loaded = [
    ...loadedWith(join(HOUSE, 'updater/main.ts')),
    ...loadedWith(join(HOUSE, 'updater/commands/run.ts')),
  ];
  const light =
    /^(?:packages\/(?:cli|errors|archive\/frugal\.ts$)|updater\/(?:commands\/)?[^/]+$|node:)/;
  expect(loaded.filter((each) => !light.test(each))).toEqual([]);
  const ours = new Set(loaded.filter((each) => each.startsWith('updater/')));
  expect([...ours].toSorted()).toEqual([
    'updater/commands/run.ts',
    'updater/commands/told-to-stop.ts',
    'updater/errors.ts',
    'updater/life.ts',
    'updater/main.ts',
    'updater/own-program.ts',
    'updater/package.json',
    'updater/paths.ts',
    'updater/program.ts',
    'updater/round-apart.ts',
    'updater/version.ts',
  ]);
});
