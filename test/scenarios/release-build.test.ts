/** `release build` and `release check`: what is packed, what is refused, and the incident. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ReleaseConfig } from '@landfall/release';
import { describe, expect, it } from 'vitest';
import { runCommand } from '../harness/command.ts';
import { manifestOn } from '../harness/mirror-content.ts';
import { type Project, useProject, writeWebUi } from '../harness/project.ts';
import { temporaryFolder } from '../harness/temporary.ts';

/** Replaces the project's components. */
function components(...list: ReleaseConfig['components']) {
  return { configure: (config: ReleaseConfig) => void (config.components = list) };
}

/** Packs `folder` as a build script would, with GNU tar. */
function makeTarball(folder: string, out: string): void {
  const owners = ['--owner=0', '--group=0', '--numeric-owner'];
  execFileSync('tar', ['-C', folder, ...owners, '-czf', out, '.']);
}

/** What the finished archive holds, as GNU tar tells it: mode and path of each entry. */
function listing(site: Project, file: string): string[] {
  const path = join(site.directory, '.release', '1.0.0', file);
  return execFileSync('tar', ['--zstd', '-tvf', path], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => `${line.split(/\s+/)[0]} ${line.split(/\s+/).at(-1)}`);
}

describe('build', () => {
  it('packs a folder, and prints name, file, size, entries and digest', async () => {
    const site = await useProject();
    const built = await site.release(['build', '--json']);
    expect(built.code).toBe(0);
    expect(JSON.parse(built.stdout)).toMatchObject({
      version: '1.0.0',
      artifacts: [
        {
          component: 'web-ui',
          file: 'web-ui-1.0.0.tar.zst',
          tree: { entries: 5, digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
        },
        { component: 'server', file: 'server-1.0.0-linux-x64.zst', platform: 'linux-x64' },
      ],
    });
    expect(listing(site, 'web-ui-1.0.0.tar.zst')).toEqual([
      'drwxr-xr-x ./',
      'drwxr-xr-x ./assets/',
      '-rw-r--r-- ./assets/app.js',
      '-rw-r--r-- ./assets/style.css',
      '-rw-r--r-- ./index.html',
    ]);
  });

  it('bakes in extra folders and files and leaves out what is excluded', async () => {
    const site = await useProject(
      components({
        name: 'web-ui',
        kind: 'tree',
        from: 'dist',
        extra: [
          { from: 'icons', at: 'assets/icons' },
          { from: 'notes.txt', at: 'about/notes.txt' },
        ],
        exclude: ['**/*.css'],
      }),
    );
    site.write('icons/a.svg', '<svg/>');
    site.write('notes.txt', 'hello');
    expect(await site.release(['build'])).toMatchObject({ code: 0 });
    expect(listing(site, 'web-ui-1.0.0.tar.zst').map((line) => line.split(' ')[1])).toEqual([
      './',
      './about/',
      './about/notes.txt',
      './assets/',
      './assets/app.js',
      './assets/icons/',
      './assets/icons/a.svg',
      './index.html',
    ]);
  });

  it('runs the commands first, without a shell, and gives them version and time', async () => {
    const script = [
      "const { mkdirSync, writeFileSync } = require('node:fs');",
      "mkdirSync('made', { recursive: true });",
      'const { LANDFALL_VERSION, SOURCE_DATE_EPOCH, LANDFALL_KEY_PASSWORD } = process.env;',
      "writeFileSync('made/index.html', JSON.stringify([LANDFALL_VERSION, SOURCE_DATE_EPOCH, LANDFALL_KEY_PASSWORD ?? 'none', process.argv.slice(2)]));",
    ].join('\n');
    const site = await useProject(
      components({
        name: 'web-ui',
        kind: 'tree',
        from: 'made',
        before: [['node', 'make.cjs', '$HOME; rm -rf x', '*']],
      }),
    );
    site.write('make.cjs', script);
    const env = { SOURCE_DATE_EPOCH: '1700000000', LANDFALL_KEY_PASSWORD: 'hunter2' };
    expect(await site.release(['build', '2.0.0'], { env })).toMatchObject({ code: 0 });
    expect(JSON.parse(readFileSync(join(site.directory, 'made/index.html'), 'utf8'))).toEqual([
      '2.0.0',
      '1700000000',
      'none',
      ['$HOME; rm -rf x', '*'],
    ]);
  });

  it('shows the end of the log when a command fails, and packs nothing', async () => {
    const site = await useProject(
      components({
        name: 'web-ui',
        kind: 'tree',
        from: 'dist',
        before: [
          [
            'node',
            '-e',
            "console.log('line one'); console.error('no such module'); process.exit(7)",
          ],
        ],
      }),
    );
    const failed = await site.release(['build']);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('line one');
    expect(failed.stderr).toContain('no such module');
    expect(failed.stderr).toMatch(
      /error: command 'node -e .*' failed: expected exit code 0, found exit code 7/,
    );
    expect(failed.stderr).toContain("the whole log is in '.release/1.0.0/logs/1-web-ui.log'");
    expect(existsSync(join(site.directory, '.release/1.0.0/web-ui-1.0.0.tar.zst'))).toBe(false);
  });

  it('gives the same bytes again, whatever the umask and the order of the folder', async () => {
    const site = await useProject();
    const env = { SOURCE_DATE_EPOCH: '1700000000' };
    const path = join(site.directory, '.release', '1.0.0', 'web-ui-1.0.0.tar.zst');
    await site.release(['build'], { env });
    const first = readFileSync(path);
    execFileSync('sh', ['-c', 'umask 077 && cp -r dist dist2 && rm -r dist && mv dist2 dist'], {
      cwd: site.directory,
    });
    await site.release(['build'], { env });
    expect(readFileSync(path).equals(first)).toBe(true);
  });

  it('never builds over what was signed', async () => {
    const site = await useProject();
    await site.release(['ship']);
    const refused = await site.release(['build']);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('release 1.0.0 is built and signed already');
  });

  it('keeps nothing in a dry run', async () => {
    const site = await useProject();
    const shown = await site.release(['build', '--dry-run']);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toContain('dry run: nothing was kept');
    expect(existsSync(join(site.directory, '.release'))).toBe(false);
  });
});

describe('the incident: a root directory that is drwx------', () => {
  it('is normalised when we pack it, and we say so', async () => {
    const site = await useProject();
    chmodSync(join(site.directory, 'dist'), 0o700);
    const built = await site.release(['build']);
    expect(built.code).toBe(0);
    expect(built.stderr).toMatch(/note: web-ui: .*drwx------/);
    expect(listing(site, 'web-ui-1.0.0.tar.zst')[0]).toBe('drwxr-xr-x ./');
  });

  it('is refused at build in an archive that something else made', async () => {
    const site = await useProject(
      components({ name: 'web-ui', kind: 'tree', archive: 'out/web-ui.tar.gz' }),
    );
    mkdirSync(join(site.directory, 'out'));
    chmodSync(join(site.directory, 'dist'), 0o700);
    makeTarball(join(site.directory, 'dist'), join(site.directory, 'out/web-ui.tar.gz'));
    for (const command of ['build', 'ship']) {
      const refused = await site.release([command]);
      expect(refused.code).toBe(3);
      expect(refused.stderr).toContain('drwx------ (0700), expected drwxr-xr-x (0755)');
    }
    for (const { directory } of site.mirrors) expect(manifestOn(directory)).toBeUndefined();
  });

  it('is gone once the folder is right: the archive is shipped with its own bytes', async () => {
    const site = await useProject(
      components({ name: 'web-ui', kind: 'tree', archive: 'out/web-ui.tar.gz' }),
    );
    mkdirSync(join(site.directory, 'out'));
    const tarball = join(site.directory, 'out/web-ui.tar.gz');
    makeTarball(join(site.directory, 'dist'), tarball);
    expect(await site.release(['ship'])).toMatchObject({ code: 0 });
    const served = join(site.mirror('oslo'), 'releases/download/v1.0.0/web-ui-1.0.0.tar.gz');
    expect(readFileSync(served).equals(readFileSync(tarball))).toBe(true);
    expect(await site.release(['verify'])).toMatchObject({ code: 0 });
  });

  it('is found by check, in any compression, beside good ones', async () => {
    const folder = temporaryFolder();
    const tree = join(folder, 'tree');
    mkdirSync(tree);
    writeFileSync(join(tree, 'index.html'), 'hello');
    const owners = ['--owner=0', '--group=0', '--numeric-owner'];
    for (const [mode, name] of [
      [0o700, 'bad'],
      [0o755, 'good'],
    ] as const) {
      chmodSync(tree, mode);
      for (const [flag, ending] of [
        ['--gzip', 'tar.gz'],
        ['--zstd', 'tar.zst'],
        ['--no-auto-compress', 'tar'],
      ] as const) {
        const out = join(folder, `${name}.${ending}`);
        execFileSync('tar', ['-C', tree, ...owners, flag, '-cf', out, '.']);
      }
    }
    const bad = ['bad.tar', 'bad.tar.gz', 'bad.tar.zst'];
    const good = ['good.tar', 'good.tar.gz', 'good.tar.zst'];
    const refused = await runCommand('release', ['check', ...bad, ...good], { cwd: folder });
    expect(refused.code).toBe(3);
    const lines = refused.stdout.trim().split('\n');
    expect(lines.map((line) => line.split(':')[0])).toEqual([
      ...bad.map((name) => `refused  drwx------  ${name}`),
      ...good.map((name) => `ok       drwxr-xr-x  ${name}`),
    ]);
    expect(await runCommand('release', ['check', ...good], { cwd: folder })).toMatchObject({
      code: 0,
    });
  });
});

describe('a tree that must not travel', () => {
  it('is refused naming every path and why', async () => {
    const site = await useProject();
    symlinkSync('/etc/passwd', join(site.directory, 'dist/passwd'));
    site.write('dist/run', 'x', 0o755);
    chmodSync(join(site.directory, 'dist/run'), 0o4755);
    const refused = await site.release(['build']);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain('passwd');
    expect(refused.stderr).toContain('symbolic link');
    expect(refused.stderr).toContain('setuid');
  });
});

describe('init and keygen', () => {
  it('lead from an empty project to a shipped release', async () => {
    const site = await useProject({ mirrors: [] });
    const home = join(site.root, 'fresh');
    mkdirSync(home);
    const run = (...args: string[]) => runCommand('release', args, { cwd: home });
    writeFileSync(
      join(home, 'package.json'),
      '{ "name": "@isles/archipelago", "version": "0.1.0" }',
    );
    expect(await run('keygen', '--no-password')).toMatchObject({ code: 0 });
    expect(await run('init')).toMatchObject({ code: 0 });
    expect(readFileSync(join(home, '.gitignore'), 'utf8')).toBe('.release/\nkeys/*.key\n');
    expect(await runCommand('mirrors', ['init', 'mirror'], { cwd: home })).toMatchObject({
      code: 0,
    });
    // The configuration builds with npm; a script that makes the folder stands in for a real one.
    writeFileSync(
      join(home, 'package.json'),
      JSON.stringify({
        name: '@isles/archipelago',
        version: '0.1.0',
        scripts: { build: 'mkdir -p dist && echo hello > dist/index.html' },
      }),
    );
    const shipped = await run('ship');
    expect(shipped).toMatchObject({ code: 0 });
    expect(manifestOn(join(home, 'mirror'))).toMatchObject({
      app: 'archipelago',
      version: '0.1.0',
    });
  });

  it('never overwrite', async () => {
    const site = await useProject();
    writeWebUi(site, 'kept');
    for (const args of [['init'], ['keygen', '--no-password', '--out', 'keys/release.key']]) {
      const refused = await site.release(args);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain('is there already, and is not overwritten');
    }
  });
});
