/** `release ship` over directory mirrors: the main story. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { generateKeyPair, publicKeyBase64, serializeSecretKey } from '@landfall/minisign';
import { describe, expect, it } from 'vitest';
import { HEAD_PATH } from '../../mirrors/head.ts';
import { cleanEnvironment } from '../harness/command.ts';
import { expectComplete, filesOf, manifestOn } from '../harness/mirror-content.ts';
import { useProject, writeWebUi } from '../harness/project.ts';

describe('shipping', () => {
  it('puts the same release on every mirror, and says so', async () => {
    const site = await useProject();
    const shipped = await site.release(['ship', '--json']);
    expect(shipped).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(shipped.stdout)).toMatchObject({
      app: 'archipelago',
      version: '1.0.0',
      channel: 'stable',
      sequence: 1,
      complete: 3,
      mirrors: [{ complete: true, artifacts: 2 }, { complete: true }, { complete: true }],
    });
    expectComplete(site, '1.0.0');
    expect(manifestOn(site.mirror('oslo'))).toMatchObject({ previous: null, withdrawn: [] });
  });

  it('is signed so that the minisign program agrees', async () => {
    const site = await useProject();
    await site.release(['ship']);
    const manifest = join(site.mirror('lima'), 'releases', 'manifest.json');
    const said = execFileSync('minisign', ['-V', '-P', site.publicKey, '-m', manifest], {
      encoding: 'utf8',
    });
    expect(said).toContain('app=archipelago channel=stable version=1.0.0 sequence=1');
  });

  it('again says that everything is there, and changes nothing', async () => {
    const site = await useProject();
    await site.release(['ship']);
    const before = site.mirrors.map(({ directory }) => filesOf(directory));
    const again = await site.release(['ship']);
    expect(again.code).toBe(0);
    expect(again.stdout).toContain('everything is already there, on all 3 mirrors');
    expect(site.mirrors.map(({ directory }) => filesOf(directory))).toEqual(before);
  });

  it('chains each release to the one before', async () => {
    const site = await useProject();
    await site.release(['ship']);
    const first = filesOf(site.mirror('oslo'))['releases/manifest.json'];
    writeWebUi(site, 'two');
    const second = await site.release(['ship', '1.1.0']);
    expect(second.code).toBe(0);
    expectComplete(site, '1.1.0');
    expect(manifestOn(site.mirror('oslo'))).toMatchObject({
      sequence: 2,
      previous: { sequence: 1, sha256: first },
    });
  });

  it('refuses a version that is not newer', async () => {
    const site = await useProject();
    await site.release(['ship']);
    const older = await site.release(['ship', '0.9.0']);
    expect(older.code).toBe(2);
    expect(older.stderr).toContain('version is not newer: expected one after 1.0.0');
    expectComplete(site, '1.0.0');
  });

  it('with two keys publishes both signatures', async () => {
    const site = await useProject();
    const second = generateKeyPair();
    site.write('keys/second.key', await serializeSecretKey(second, { password: undefined }), 0o600);
    site.config.keys = {
      secret: ['keys/release.key', 'keys/second.key'],
      public: [site.publicKey, publicKeyBase64(second.publicKey)],
      threshold: 2,
    };
    site.writeConfig();
    expect(await site.release(['ship'])).toMatchObject({ code: 0 });
    const signatures = Object.keys(filesOf(site.mirror('oslo'))).filter((name) =>
      name.endsWith('.minisig'),
    );
    for (const of of ['releases/manifest.json.', 'provenance/1.0.0.json.']) {
      expect(signatures.filter((name) => name.startsWith(of))).toHaveLength(2);
    }
    expect(await site.release(['verify'])).toMatchObject({ code: 0 });
  });
});

describe('a dry run', () => {
  it('shows what it would do and changes nothing at all', async () => {
    const site = await useProject();
    const shown = await site.release(['ship', '--dry-run']);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toContain('would ship archipelago 1.0.0 (channel stable, sequence 1)');
    expect(shown.stdout).toContain('kyoto: would upload 2 of 2 artifacts');
    expect(existsSync(join(site.directory, '.release'))).toBe(false);
    for (const { directory } of site.mirrors) {
      expect(Object.keys(filesOf(directory))).toEqual(['landfall-mirror.json']);
    }
  });
});

describe('a channel beside the default one', () => {
  it('has its own index and sequence, and shares artifacts', async () => {
    const site = await useProject();
    const beta = await site.release(['ship', '--channel', 'beta']);
    expect(beta.code).toBe(0);
    expectComplete(site, '1.0.0', 'beta');
    expect(manifestOn(site.mirror('oslo'))).toBeUndefined();
    const { [HEAD_PATH]: head, ...artifacts } = filesOf(site.mirror('oslo'));
    // The same version goes to the default channel with the very same artifacts, whatever dist holds now.
    writeWebUi(site, 'changed meanwhile');
    const stable = await site.release(['ship']);
    expect(stable.code).toBe(0);
    expect(filesOf(site.mirror('oslo'))).toMatchObject(artifacts);
    expect(filesOf(site.mirror('oslo'))[HEAD_PATH]).not.toBe(head);
    expectComplete(site, '1.0.0');
    expect(manifestOn(site.mirror('oslo'), 'beta')?.channel).toBe('beta');
  });
});

describe('git', () => {
  it('puts the commit into the manifest and its time on every file', async () => {
    const site = await useProject();
    site.write('.gitignore', 'keys/\n');
    const env = cleanEnvironment({ GIT_COMMITTER_DATE: '2026-04-22T19:00:00Z' });
    const identity = ['-c', 'user.name=T', '-c', 'user.email=t@localhost'];
    const git = (...args: string[]): string =>
      execFileSync('git', ['-C', site.directory, ...identity, ...args], { env, encoding: 'utf8' });
    git('init', '--quiet');
    git('add', '.');
    git('commit', '--quiet', '-m', 'one');
    expect(await site.release(['ship'])).toMatchObject({ code: 0 });
    expect(manifestOn(site.mirror('oslo'))?.commit).toBe(git('rev-parse', 'HEAD').trim());
    const archive = join(site.directory, '.release', '1.0.0', 'web-ui-1.0.0.tar.zst');
    const listing = execFileSync('tar', ['--utc', '--zstd', '-tvf', archive], { encoding: 'utf8' });
    const times = new Set(
      listing
        .trim()
        .split('\n')
        .map((line) => line.split(/\s+/)[3]),
    );
    expect([...times]).toEqual(['2026-04-22']);
    // The working folder does not make the checkout dirty; a change does.
    site.write('dist/index.html', 'changed');
    const dirty = await site.release(['ship', '1.1.0']);
    expect(dirty.code).toBe(2);
    expect(dirty.stderr).toContain(
      "the checkout has changes that no commit names: 'dist/index.html'",
    );
  });
});
