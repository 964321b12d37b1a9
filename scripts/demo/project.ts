/**
 * The maintainer's side of the demo: a small project whose web UI is a real
 * one (reveal.js, with the Bootstrap icons baked in) and whose backend is
 * `server.mjs`.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { house } from './stage.ts';

export interface Project {
  folder: string;
}

export interface DemoMirror {
  name: string;
  path: string;
  url: string;
}

/** Lays out the project: sources of the web UI, the icons, the backend. */
export function makeProject(folder: string): Project {
  const modules = join(house, 'node_modules');
  mkdirSync(folder, { recursive: true });
  for (const part of ['index.html', 'dist', 'css']) {
    cpSync(join(modules, 'reveal.js', part), join(folder, 'dist', part), { recursive: true });
  }
  cpSync(join(modules, 'bootstrap-icons/icons'), join(folder, 'icons'), { recursive: true });
  cpSync(join(modules, 'bootstrap-icons/font'), join(folder, 'icons/font'), { recursive: true });
  return { folder };
}

/** Edits the project as the work on a release would: the page and the application bundle say the version. */
export function workOn(
  project: Project,
  version: string,
  backend: 'good' | 'broken' = 'good',
): void {
  const page = readFileSync(join(house, 'node_modules/reveal.js/index.html'), 'utf8');
  writeFileSync(
    join(project.folder, 'dist/index.html'),
    page.replace('Slide 1', `Release ${version}`),
  );
  const server = readFileSync(join(import.meta.dirname, 'server.mjs'), 'utf8');
  // The broken one looks for the web UI under another name, as a bad merge would.
  const wanted = backend === 'good' ? server : server.replace("'web-ui'", "'webui'");
  writeFileSync(join(project.folder, 'server'), `${wanted}// ${version}\n`);
}

/** Writes `release.config.ts`. `webUi` is the component's source: a folder, or an archive made elsewhere. */
export function writeConfig(
  project: Project,
  options: { publicKey: string; mirrors: readonly DemoMirror[]; webUi: 'folder' | 'archive' },
): void {
  const source =
    options.webUi === 'folder'
      ? `from: 'dist', extra: [{ from: 'icons', at: 'icons' }]`
      : `archive: 'web-ui.tar.gz'`;
  const mirrors = options.mirrors
    .map(
      (each) =>
        `    { type: 'directory', name: '${each.name}', path: '${each.path}', url: '${each.url}' },`,
    )
    .join('\n');
  writeFileSync(
    join(project.folder, 'release.config.ts'),
    `import { defineConfig } from '@landfall/release';

export default defineConfig({
  app: 'demo',
  channel: 'stable',
  keys: { secret: ['release.key'], public: ['${options.publicKey}'] },
  mirrors: [
${mirrors}
  ],
  components: [
    { name: 'web-ui', kind: 'tree', ${source} },
    { name: 'server', kind: 'file', platforms: { any: 'server' }, mode: 0o755 },
  ],
});
`,
  );
}
