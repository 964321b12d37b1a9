/** What must not leave the machine with a release: keys, passwords, tokens, git's folder and our own. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, linkSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { components, listing } from '../harness/packed.ts';
import { type Project, useProject } from '../harness/project.ts';

const EVERYTHING = { name: 'site', kind: 'tree', from: '.' } as const;

/** A project whose whole folder is its web site, with a release of it behind it. */
async function useOpenProject(exclude: string[] = []): Promise<Project> {
  const site = await useProject(components({ ...EVERYTHING, exclude }));
  mkdirSync(join(site.directory, '.release/0.9.0'), { recursive: true });
  site.write('.git/config', '[core]');
  site.write('vendor/lib/.git', 'gitdir: ../../.git/modules/lib');
  return site;
}

describe('a project whose folder is packed as it is', () => {
  it("ships no key, nothing of git's and nothing of ours, and names each", async () => {
    const site = await useOpenProject();
    linkSync(join(site.directory, 'keys/release.key'), join(site.directory, 'linked.txt'));
    copyFileSync(join(site.directory, 'keys/release.key'), join(site.directory, 'keys/copy'));
    const built = await site.release(['ship']);
    expect(built.code).toBe(3);
    for (const line of [
      "'keys/release.key' is a secret key",
      "'linked.txt' is a secret key",
      "'keys/copy' is a secret key",
      "'.git' belongs to git",
      "'vendor/lib/.git' belongs to git",
      "'.release' is the folder of the releases that were made here",
      "hint: name it in the component's 'exclude'",
    ]) {
      expect(built.stderr).toContain(line);
    }
    expect(existsSync(join(site.mirror('oslo'), 'releases/manifest.json'))).toBe(false);
  });

  it('packs no mirror that lies in it, by whatever name it is configured', async () => {
    const site = await useProject({
      configure: (config) => {
        config.components = [{ ...EVERYTHING, exclude: ['.release', 'keys'] }];
        config.mirrors.push({ type: 'directory', path: 'by-link' });
      },
    });
    mkdirSync(join(site.directory, 'public/releases'), { recursive: true });
    symlinkSync('public', join(site.directory, 'by-link'));
    const built = await site.release(['build']);
    expect(built.code).toBe(3);
    expect(built.stderr).toContain("'public' is a mirror, with all that was released");
  });

  it('ships when they are excluded', async () => {
    const site = await useOpenProject(['**/.git', '.release', 'keys']);
    expect(await site.release(['build'])).toMatchObject({ code: 0 });
    const packed = listing(site, 'site-1.0.0.tar.zst').join('\n');
    expect(packed).toContain('./dist/index.html');
    expect(packed).not.toMatch(/key|git|release\//);
  });

  it('ships no file with a password or a token that the configuration or the environment names', async () => {
    const site = await useProject({
      configure: (config) => {
        config.components = [{ ...EVERYTHING, exclude: ['.release', 'keys'] }];
        config.mirrors.push({
          type: 'gitea',
          url: 'http://127.0.0.1:9',
          repository: 'a/b',
          token: { file: 'conf/token' },
        });
      },
    });
    site.write('conf/token', 'secret', 0o600);
    site.write('password', 'secret', 0o600);
    const env = { LANDFALL_KEY_PASSWORD_FILE: 'password' };
    const built = await site.release(['build'], { env });
    expect(built.code).toBe(3);
    expect(built.stderr).toContain("'conf/token' holds a mirror's token or password");
    expect(built.stderr).toContain("'password' holds the password of a secret key");
  });
});

describe('a key somewhere else', () => {
  it('is refused as an extra file', async () => {
    const extra = [{ from: 'keys/release.key', at: 'assets/app.pem' }];
    const site = await useProject(
      components({ name: 'web-ui', kind: 'tree', from: 'dist', extra }),
    );
    const built = await site.release(['build']);
    expect(built).toMatchObject({ code: 3 });
    expect(built.stderr).toContain("'assets/app.pem' is a secret key");
  });

  it('is refused as a program', async () => {
    const platforms = { 'linux-x64': 'keys/release.key' };
    const site = await useProject(components({ name: 'server', kind: 'file', platforms }));
    const built = await site.release(['build']);
    expect(built).toMatchObject({ code: 3 });
    expect(built.stderr).toContain("component 'server': 'keys/release.key' is a secret key");
  });

  it('is refused in a finished archive, and so are folders of git and ours', async () => {
    const archive = 'site.tar.gz';
    const site = await useProject(components({ name: 'site', kind: 'tree', archive }));
    site.write('out/.git/config', '[core]');
    site.write('out/.release/lock', '');
    copyFileSync(join(site.directory, 'keys/release.key'), join(site.directory, 'out/app.pem'));
    for (const each of ['.', '.git', '.release']) {
      chmodSync(join(site.directory, 'out', each), 0o755);
    }
    chmodSync(join(site.directory, 'out/app.pem'), 0o644);
    const owner = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner'];
    execFileSync('tar', [...owner, '-C', 'out', '-czf', archive, '.'], { cwd: site.directory });
    const built = await site.release(['build']);
    expect(built.code).toBe(3);
    expect(built.stderr).toContain(
      "component 'site': 'site.tar.gz' holds what must stay here: '.git' belongs to git, and may hold all that was ever committed; '.release' is the folder of the releases that were made here; 'app.pem' is a secret key",
    );
  });
});
