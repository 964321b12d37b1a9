/** Our side as users run it: bundled, with its compiled code kept, in a process of its own. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, writeBundle } from '../build/bundle.ts';

/** How each process is started: argv to which its arguments are added. */
export interface Ours {
  pack: readonly string[];
  node: readonly string[];
}

/** Bundles our processes into `folder`. */
export async function makeOurs(folder: string): Promise<Ours> {
  const files = await bundle({
    'pack-process': 'scripts/bench/pack-process.ts',
    'node-process': 'scripts/bench/node-process.ts',
  });
  writeBundle(folder, files);
  writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }\n');
  const start = (name: string): string[] => {
    const launcher = join(folder, `${name}.cjs`);
    const compiled = JSON.stringify(join(folder, 'compiled'));
    writeFileSync(
      launcher,
      `require('node:module').enableCompileCache(${compiled});\nrequire('./${name}-process.cjs');\n`,
    );
    return [process.execPath, launcher];
  };
  return { pack: start('pack'), node: start('node') };
}
