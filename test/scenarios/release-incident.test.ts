/** The incident: archives whose root is drwx------. What we pack is normalised, what others packed is refused. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCommand } from '../harness/command.ts';
import { manifestOn } from '../harness/mirror-content.ts';
import { components, listing } from '../harness/packed.ts';
import { useProject } from '../harness/project.ts';
import { temporaryFolder } from '../harness/temporary.ts';

/** Packs `folder` as a build script would, with GNU tar. */
function makeTarball(folder: string, out: string): void {
  const owners = ['--owner=0', '--group=0', '--numeric-owner'];
  execFileSync('tar', ['-C', folder, ...owners, '-czf', out, '.']);
}

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
