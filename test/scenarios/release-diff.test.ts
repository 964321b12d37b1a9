/** `release diff`: from this folder, from mirrors, and what it makes of changes. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { rotate, useHalted } from '../harness/halted-project.ts';
import { unplug } from '../harness/mirror-content.ts';
import { type Project, useProject, writeWebUi } from '../harness/project.ts';

async function shippedTwice(site: Project): Promise<void> {
  await site.release(['ship', '1.0.0']);
  writeWebUi(site, 'second');
  site.write('dist/assets/new.js', 'new();\n');
  rmSync(join(site.directory, 'dist/assets/style.css'));
  await site.release(['ship', '1.1.0']);
}

describe('diff', () => {
  it('names files added, removed and changed, with sizes, for each component', async () => {
    const site = await useProject();
    await shippedTwice(site);
    const shown = await site.release(['diff', '1.0.0', '1.1.0']);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toMatch(/^1\.0\.0 → 1\.1\.0\n/);
    expect(shown.stdout).toMatch(/\n {2}\+ assets\/new\.js: 7 B\n/);
    expect(shown.stdout).toMatch(/\n {2}- assets\/style\.css: \d+ B\n/);
    expect(shown.stdout).toMatch(/\n {2}~ index\.html: \d+ B → \d+ B \(\+3 B\)\n/);
    expect(shown.stdout).toMatch(/\nserver \(linux-x64\): same, archive/);
    const json = JSON.parse((await site.release(['diff', '1.0.0', '1.1.0', '--json'])).stdout);
    expect(json).toMatchObject({
      from: '1.0.0',
      to: '1.1.0',
      components: [
        {
          component: 'web-ui',
          change: 'changed',
          files: [
            { path: 'assets/app.js', change: 'changed' },
            { path: 'assets/new.js', change: 'added', from: null, to: 7 },
            { path: 'assets/style.css', change: 'removed', to: null },
            { path: 'index.html', change: 'changed' },
          ],
        },
        { component: 'server', change: 'same', files: [] },
      ],
    });
    expect((await site.release(['diff', '1.1.0', '1.1.0'])).stdout).not.toMatch(/^ {2}/m);
  });

  it('reads mirrors when nothing is here, and says what is not known', async () => {
    const site = await useProject();
    await site.release(['ship', '1.0.0']);
    const plugIn = unplug(site.mirror('lima'));
    writeWebUi(site, 'second');
    site.write('bin/server', '#!/bin/sh\necho server two\n', 0o755);
    await site.release(['ship', '1.1.0']);
    plugIn();
    rmSync(join(site.directory, '.release'), { recursive: true });
    const shown = await site.release(['diff', '1.0.0', '1.1.0']);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toContain('~ index.html');
    expect(shown.stdout).toMatch(/server \(linux-x64\): changed.*\n {2}~ file: 26 B/);
    const unknown = await site.release(['diff', '0.9.0', '1.1.0']);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('release 0.9.0 is not known');
  });

  it('reads what was signed by keys that were replaced since', async () => {
    const site = await useHalted();
    writeWebUi(site, 'second');
    expect(await site.release(['ship', '1.2.0'])).toMatchObject({ code: 0 });
    const drop = ['--drop', site.publicKey, '--key', 'keys/second.pub'];
    await rotate(site, 2, ...drop, '--floor', 'stable=1.2.0');
    site.config.keys.secret = ['keys/second.key'];
    site.writeConfig();
    const shown = await site.release(['diff', '1.0.0', '1.2.0']);
    expect(shown).toMatchObject({ code: 0 });
    expect(shown.stdout).toContain('~ index.html');
    const { stdout } = await site.release(['status']);
    expect(stdout).toMatch(/^1\.0\.0 +stable +1 +signed by keys that were replaced since +/m);
    expect(stdout).toMatch(/^1\.2\.0 +stable +2 +signed by keys that were replaced since +/m);
    // What nobody of any time signed is still damaged.
    const manifest = '.release/1.0.0/manifest.json';
    const text = readFileSync(join(site.directory, manifest), 'utf8');
    site.write(manifest, text.replace('1.0.0', '1.0.9'));
    expect(await site.release(['diff', '1.0.0', '1.2.0'])).toMatchObject({ code: 3 });
  });
});
