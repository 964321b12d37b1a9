/**
 * The licences of all that is in a single executable, as one text: ours, those
 * of the bundled packages, and the runtime's, which holds those of what it was
 * built from. It is built in: `updater licences` prints it. The same sources
 * give the same bytes.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HOUSE } from './bundle.ts';
import { PLATFORMS } from './runtime.ts';

/** The name under which the text is built in. */
export const LICENCES_ASSET = 'licences.txt';

interface Package {
  name: string;
  version: string;
  license?: string;
}

/** The text. `packages`: folders relative to the checkout. Throws when one of them has no licence. */
export function collectLicences(packages: readonly string[]): string {
  const foreign = packages.filter((folder) => folder.startsWith('node_modules/'));
  const runtime = PLATFORMS.map((platform) => `node_modules/node-${platform}`).find((folder) =>
    existsSync(join(HOUSE, folder)),
  );
  if (runtime === undefined) throw new Error('expected the runtime in node_modules, found none');
  const parts = [
    { title: 'Landfall (MIT)', text: licenceIn('.') },
    ...foreign.map((folder) => {
      const { name, version, license } = JSON.parse(
        readFileSync(join(HOUSE, folder, 'package.json'), 'utf8'),
      ) as Package;
      return { title: `${name} ${version} (${license ?? 'see below'})`, text: licenceIn(folder) };
    }),
    { title: `Node.js ${process.version} and what is built into it`, text: licenceIn(runtime) },
  ];
  const rule = '='.repeat(78);
  return parts.map(({ title, text }) => `${rule}\n${title}\n${rule}\n\n${text}\n`).join('\n');
}

function licenceIn(folder: string): string {
  const path = join(HOUSE, folder);
  const file = readdirSync(path).find((name) => /^licen[cs]e(\.(md|txt))?$/i.test(name));
  if (file === undefined) throw new Error(`expected a licence in '${folder}', found none`);
  return readFileSync(join(path, file), 'utf8').trim();
}
