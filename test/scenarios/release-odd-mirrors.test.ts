/** `release` among mirrors that hold what they should not: two truths, torn or foreign indexes, bad archives. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateKeyPair } from '@landfall/minisign';
import { describe, expect, it } from 'vitest';
import { expectComplete, filesOf, manifestOn } from '../harness/mirror-content.ts';
import { type Project, useProject, writeWebUi } from '../harness/project.ts';
import { exampleWebUi, publish, ReleaseFactory } from '../harness/release-factory.ts';
import { temporaryFolder } from '../harness/temporary.ts';

/** A workbench that signs with the project's key. */
function factory(site: Project, app = 'archipelago', key = site.key): ReleaseFactory {
  return new ReleaseFactory(temporaryFolder(), { app, key });
}

describe('two validly signed manifests of one sequence', () => {
  it('stop everything, and both are named', async () => {
    const site = await useProject();
    const webUi = exampleWebUi('1.0.0');
    const one = await factory(site).make({ version: '1.0.0', webUi });
    const other = await factory(site).make({ version: '1.0.1', webUi });
    publish(one, site.mirror('oslo'));
    publish(other, site.mirror('lima'));
    const before = site.mirrors.map(({ directory }) => filesOf(directory));
    for (const args of [['ship', '2.0.0'], ['verify']]) {
      const refused = await site.release(args);
      expect(refused.code).toBe(3);
      expect(refused.stderr).toContain('mirrors serve different manifests of');
      expect(refused.stderr).toContain("'oslo'");
      expect(refused.stderr).toContain("'lima'");
    }
    expect(site.mirrors.map(({ directory }) => filesOf(directory))).toEqual(before);
  });
});

describe('an index that does not verify', () => {
  it('is replaced when other mirrors have a good one', async () => {
    const site = await useProject();
    await site.release(['ship']);
    const torn = join(site.mirror('lima'), 'releases', 'manifest.json.minisig');
    writeFileSync(torn, readFileSync(torn, 'utf8').replace('sequence=1', 'sequence=2'));
    writeWebUi(site, 'two');
    const shipped = await site.release(['ship', '1.1.0']);
    expect(shipped.code).toBe(0);
    expect(shipped.stderr).toContain('lima: its index is not valid');
    expectComplete(site, '1.1.0');
  });

  it('left by a killed run is not built upon: that run is to be finished first', async () => {
    const site = await useProject({ mirrors: ['oslo'] });
    await site.release(['ship']);
    // Between the two files of the manifest, after those that tell how it was built.
    const env = { LANDFALL_CRASH_AT: 'mirror-index-file-written#3' };
    expect(await site.release(['ship', '1.1.0'], { env })).toMatchObject({ signal: 'SIGKILL' });
    const refused = await site.release(['ship', '1.2.0']);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain('finish it first: release ship 1.1.0');
    expect(await site.release(['ship', '1.1.0'])).toMatchObject({ code: 0 });
    expect(await site.release(['ship', '1.2.0'])).toMatchObject({ code: 0 });
    expectComplete(site, '1.2.0');
  });

  it('is left alone when it says that it is another app’s', async () => {
    const site = await useProject();
    const stranger = await factory(site, 'peninsula', generateKeyPair()).make({
      version: '5.0.0',
      webUi: exampleWebUi('5.0.0'),
    });
    publish(stranger, site.mirror('lima'));
    const before = filesOf(site.mirror('lima'));
    const partial = await site.release(['ship']);
    expect(partial.code).toBe(4);
    expect(partial.stdout).toContain("expected 'archipelago', found 'peninsula'");
    expect(filesOf(site.mirror('lima'))).toEqual(before);
  });
});

describe('a hand-made archive with a 0700 root, validly signed', () => {
  it('is found by verify and never spread by ship', async () => {
    const site = await useProject();
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'tree'));
    writeFileSync(join(folder, 'tree', 'index.html'), 'hello');
    chmodSync(join(folder, 'tree'), 0o700);
    const archive = join(folder, 'bad.tar.zst');
    const owners = ['--owner=0', '--group=0', '--numeric-owner'];
    execFileSync('tar', ['-C', join(folder, 'tree'), ...owners, '--zstd', '-cf', archive, '.']);
    const release = await factory(site).make({
      version: '1.0.0',
      webUi: { 'index.html': 'hello' },
      archive: readFileSync(archive),
    });
    publish(release, site.mirror('oslo'));
    publish(release, site.mirror('lima'));
    const verified = await site.release(['verify']);
    expect(verified.code).toBe(3);
    expect(verified.stdout).toContain('drwx------ (0700), expected drwxr-xr-x (0755)');
    const shipped = await site.release(['ship', '1.0.0']);
    expect(shipped.code).toBe(3);
    expect(shipped.stderr).toContain('drwx------ (0700), expected drwxr-xr-x (0755)');
    expect(manifestOn(site.mirror('kyoto'))).toBeUndefined();
  });
});

describe('a mirror whose name is long', () => {
  it('gets artifacts whose names are long too', async () => {
    const site = await useProject({ mirrors: ['m'.repeat(64)] });
    const [webUi] = site.config.components;
    if (webUi !== undefined) webUi.name = 'c'.repeat(64);
    site.writeConfig();
    const shipped = await site.release(['ship', `1.0.0-${'a'.repeat(110)}`]);
    expect(shipped.code, shipped.stderr).toBe(0);
    expect(await site.release(['verify'])).toMatchObject({ code: 0 });
  });
});
