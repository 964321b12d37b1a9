/** `release build`, `init` and `keygen`: what is run, packed and printed. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cleanEnvironment, launcherOf, runCommand } from '../harness/command.ts';
import { git } from '../harness/git.ts';
import { manifestOn } from '../harness/mirror-content.ts';
import { components, listing } from '../harness/packed.ts';
import { useProject, writeWebUi } from '../harness/project.ts';

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

  it('shows the end also of a log that no text could hold', async () => {
    const log = '.release/1.0.0/logs/1-web-ui.log';
    const command = `truncate -s 600M ${log}; echo; echo 'no such module'; sleep 0.2; exit 7`;
    const before = [['sh', '-c', command]];
    const site = await useProject(
      components({ name: 'web-ui', kind: 'tree', from: 'dist', before }),
    );
    const failed = await site.release(['build']);
    expect(failed.stderr).toContain('no such module');
    expect(failed.stderr).toContain('found exit code 7');
    expect(failed.stderr).toContain(`the whole log is in '${log}'`);
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
    for (const command of ['build', 'ship']) {
      const dry = await site.release([command, '--dry-run']);
      expect(dry).toMatchObject({ code: 1 });
      expect(dry.stderr).toContain('no such module');
      expect(dry.stderr).toContain('hint: the end of what it printed is above');
      expect(dry.stderr).not.toContain('whole log');
    }
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

  it('draws nothing on a terminal that does not tell how wide it is', async () => {
    const site = await useProject();
    const command = `stty cols 0 rows 0; exec ${launcherOf('release')} build`;
    // `script` gives the command a terminal of its own.
    const shown = spawnSync('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
      cwd: site.directory,
      env: cleanEnvironment(),
      encoding: 'utf8',
    });
    expect(shown.status).toBe(0);
    expect(shown.stdout).toMatch(/^✔ pack: 2 artifacts\r$/m);
    expect(shown.stdout).not.toContain('\u001B');
  });

  it('keeps nothing in a dry run', async () => {
    const site = await useProject();
    const shown = await site.release(['build', '--dry-run']);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toContain('dry run: nothing was kept');
    expect(existsSync(join(site.directory, '.release'))).toBe(false);
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
    expect(statSync(join(home, 'keys/release.key')).mode & 0o777).toBe(0o600);
    expect(await run('init')).toMatchObject({ code: 0 });
    expect(readFileSync(join(home, '.gitignore'), 'utf8')).toBe(
      '.release/\nkeys/*.key*\n/mirror/\n',
    );
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
    git(home, 'init', '--quiet');
    writeFileSync(join(home, '.gitignore'), 'dist/\n', { flag: 'a' });
    git(home, 'add', '.');
    git(home, 'commit', '--quiet', '-m', 'one');
    const shipped = await run('ship');
    expect(shipped).toMatchObject({ code: 0 });
    expect(manifestOn(join(home, 'mirror'))).toMatchObject({
      app: 'archipelago',
      version: '0.1.0',
    });
    expect(await run('ship', '0.2.0')).toMatchObject({ code: 0 });
  });

  it('start in the folder of the configuration', async () => {
    const site = await useProject({ mirrors: [] });
    const home = join(site.root, 'fresh');
    mkdirSync(home);
    const made = await runCommand('release', ['init', '--config', 'site/beta.config.ts'], {
      cwd: home,
    });
    expect(made).toMatchObject({ code: 0 });
    expect(made.stdout.split('\n').slice(1, -1)).toEqual([
      'next:',
      '  cd site                                 all paths in the configuration start there',
      "  release keygen                          a key; put the line it prints into 'keys.public'",
      '  mirrors init mirror                     makes the folder of the first mirror',
      '  release build --config beta.config.ts   packs, and checks what it packed',
      '  release ship --config beta.config.ts    publishes',
    ]);
    expect(readdirSync(home)).toEqual(['site']);
    expect(readdirSync(join(home, 'site'))).toEqual(['.gitignore', 'beta.config.ts']);
    expect(readFileSync(join(home, 'site/beta.config.ts'), 'utf8')).toContain("app: 'site'");
  });

  it('adds to a .gitignore of any encoding without changing a byte of it', async () => {
    const site = await useProject({ mirrors: [] });
    const home = join(site.root, 'fresh');
    mkdirSync(home);
    const latin1 = Buffer.from('caf\u00E9/\r\n.release/\r\nlast', 'latin1');
    writeFileSync(join(home, '.gitignore'), latin1);
    expect(await runCommand('release', ['init'], { cwd: home })).toMatchObject({ code: 0 });
    const added = Buffer.from('\nkeys/*.key*\n/mirror/\n');
    expect(readFileSync(join(home, '.gitignore'))).toEqual(Buffer.concat([latin1, added]));
  });

  it('write a configuration that can be loaded, whatever the file of the public key holds', async () => {
    const site = await useProject({ mirrors: [] });
    const home = join(site.root, 'fresh');
    mkdirSync(join(home, 'keys'), { recursive: true });
    const pub = `untrusted comment: of minisign\r\n${site.publicKey}\r\n`;
    writeFileSync(join(home, 'keys/release.pub'), pub);
    expect(await runCommand('release', ['init'], { cwd: home })).toMatchObject({ code: 0 });
    // Nothing of it is taken; the configuration has what 'release init' writes without a key.
    const status = await runCommand('release', ['status'], { cwd: home });
    expect(status.stderr).toContain("does not fit: 'keys.public.0': public key");
    writeFileSync(join(home, 'keys/release.pub'), pub.replaceAll('\r', ''));
    rmSync(join(home, 'release.config.ts'));
    expect(await runCommand('release', ['init'], { cwd: home })).toMatchObject({ code: 0 });
    const text = readFileSync(join(home, 'release.config.ts'), 'utf8');
    expect(text).toContain(`public: ['${site.publicKey}'],`);
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
