/** `release promote` and `release renew`: new manifests for artifacts that are there. */
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { useGiteaProject } from '../harness/gitea-project.ts';
import { expectComplete, filesOf, manifestOn } from '../harness/mirror-content.ts';
import { useProject, writeWebUi } from '../harness/project.ts';
import { resign } from '../harness/resign.ts';

const ARTIFACT = 'releases/download/v1.0.0/web-ui-1.0.0.tar.zst';

describe('promote', () => {
  it('puts the release of one channel on another, with the same artifacts and no upload', async () => {
    const site = await useProject();
    await site.release(['ship', '--channel', 'beta']);
    const written = statSync(join(site.mirror('oslo'), ARTIFACT)).mtimeMs;
    // Whatever is in the project by now has no part in it.
    writeWebUi(site, 'something else');
    site.setVersion('2.0.0');
    const outcome = await site.release(['promote', '--from', 'beta', '--to', 'stable', '--json']);
    expect(outcome.code).toBe(0);
    expect(JSON.parse(outcome.stdout)).toMatchObject({
      version: '1.0.0',
      channel: 'stable',
      sequence: 1,
      mirrors: [{ sentBytes: 0 }, { sentBytes: 0 }, { sentBytes: 0 }],
    });
    expectComplete(site, '1.0.0');
    expectComplete(site, '1.0.0', 'beta');
    const [stable, beta] = [undefined, 'beta'].map((channel) =>
      manifestOn(site.mirror('lima'), channel),
    );
    expect(stable?.components).toEqual(beta?.components);
    expect(stable).toMatchObject({ channel: 'stable', previous: null });
    expect(statSync(join(site.mirror('oslo'), ARTIFACT)).mtimeMs).toBe(written);
    const again = await site.release(['promote', '1.0.0', '--from', 'beta']);
    expect(again.stdout).toContain('everything is already there');
    expect(manifestOn(site.mirror('lima'))?.sequence).toBe(1);
    const steps = ['--steps', '10@now,100@+24h'];
    const late = await site.release(['promote', '1.0.0', '--from', 'beta', ...steps]);
    expect(late.stderr).toContain("its steps stay as they were signed; 'release rollout'");
    expect(manifestOn(site.mirror('lima'))?.rollout.steps).toEqual([]);
  });

  it('works on another machine, which knows only the mirrors', async () => {
    const site = await useGiteaProject(['north', 'south']);
    await site.release(['ship', '--channel', 'beta']);
    rmSync(join(site.project.directory, '.release'), { recursive: true });
    rmSync(join(site.project.directory, 'dist'), { recursive: true });
    expect(await site.release(['promote', '--from', 'beta'])).toMatchObject({ code: 0 });
    expect(await site.release(['verify'])).toMatchObject({ code: 0 });
    const uploads = site
      .server('north')
      .requests.filter(({ method, url }) => method === 'POST' && url.includes('/assets'));
    expect(uploads.length, 'each of the two artifacts was uploaded once').toBe(2);
  });

  it('finishes what a crash cut off', async () => {
    const site = await useProject();
    await site.release(['ship', '--channel', 'beta']);
    const promote = ['promote', '--from', 'beta'];
    const killed = await site.release(promote, { env: { LANDFALL_CRASH_AT: 'ship-signed' } });
    expect(killed.signal).toBe('SIGKILL');
    expect(await site.release(promote)).toMatchObject({ code: 0 });
    expectComplete(site, '1.0.0');
    expect(manifestOn(site.mirror('oslo'))?.sequence).toBe(1);
  });

  it('refuses what makes no sense, before anything changes', async () => {
    const site = await useProject();
    await site.release(['ship']);
    await site.release(['ship', '--channel', 'beta']);
    const before = filesOf(site.mirror('oslo'));
    const cases: [string[], number, string][] = [
      [['promote'], 2, '--from: expected a channel'],
      [['promote', '--from', 'stable'], 2, '--to: expected another channel than --from'],
      [['promote', '--from', 'nightly'], 2, "channel 'nightly' has no release"],
      [['promote', '3.0.0', '--from', 'beta'], 2, "channel 'beta' does not offer 3.0.0"],
      [['promote', '--from', 'Beta!'], 2, '--from: expected lower-case letters'],
    ];
    for (const [args, code, text] of cases) {
      const refused = await site.release(args);
      expect(refused.stderr).toContain(text);
      expect(refused.code).toBe(code);
    }
    expect(filesOf(site.mirror('oslo'))).toEqual(before);
  });

  it('refuses what the other channel withdrew', async () => {
    const site = await useProject();
    await site.release(['ship', '1.0.0']);
    writeWebUi(site, 'two');
    await site.release(['ship', '1.1.0']);
    await site.release(['ship', '1.1.0', '--channel', 'beta']);
    await site.release(['withdraw', '1.1.0']);
    const refused = await site.release(['promote', '--from', 'beta']);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain("release 1.1.0 was withdrawn from channel 'stable'");
  });
});

describe('renew', () => {
  it('publishes the same release with a later end and the next sequence', async () => {
    const site = await useProject({ configure: (config) => (config.expiresDays = 10) });
    await site.release(['ship']);
    const before = manifestOn(site.mirror('oslo'));
    site.config.expiresDays = 20;
    site.writeConfig();
    const dry = await site.release(['renew', '--dry-run']);
    expect(dry.stdout).toContain('would ship archipelago 1.0.0 (channel stable, sequence 2)');
    expect(manifestOn(site.mirror('oslo'))).toEqual(before);
    expect(await site.release(['renew'])).toMatchObject({ code: 0 });
    expectComplete(site, '1.0.0');
    const after = manifestOn(site.mirror('oslo'));
    expect(after).toMatchObject({ sequence: 2, previous: { sequence: 1 } });
    expect(after?.components).toEqual(before?.components);
    const days =
      (Date.parse(after?.expires ?? '') - Date.parse(before?.expires ?? '')) / 86_400_000;
    expect(Math.round(days)).toBe(10);
    expect(await site.release(['renew'])).toMatchObject({ code: 0 });
    expect(manifestOn(site.mirror('oslo'))?.sequence).toBe(3);
  });

  it('repairs an artifact that a mirror damaged on the way', async () => {
    const site = await useProject();
    await site.release(['ship']);
    const path = join(site.mirror('lima'), ARTIFACT);
    const good = readFileSync(path);
    rmSync(path);
    expect(await site.release(['renew'])).toMatchObject({ code: 0 });
    expect(readFileSync(path)).toEqual(good);
    writeFileSync(path, Buffer.alloc(good.length));
    const killed = await site.release(['renew'], { env: { LANDFALL_CRASH_AT: 'ship-signed' } });
    expect(killed.signal).toBe('SIGKILL');
    const renewed = await site.release(['renew']);
    expect(renewed.code).toBe(0);
    expect(renewed.stderr).toContain("lima: 'web-ui-1.0.0.tar.zst' is damaged there");
    expect(readFileSync(path)).toEqual(good);
    expectComplete(site, '1.0.0');
  });

  it('is named where what is shipped has ended', async () => {
    const site = await useProject();
    await site.release(['ship']);
    const signed = readFileSync(join(site.mirror('oslo'), 'releases/manifest.json'));
    resign(site, signed, (manifest) => {
      Object.assign(manifest, {
        published: '2026-01-01T00:00:00Z',
        expires: '2026-02-01T00:00:00Z',
        sequence: 2,
        previous: { sequence: 1, sha256: createHash('sha256').update(signed).digest('hex') },
      });
    });
    const words = 'sequence 2 has ended at 2026-02-01T00:00:00Z, and nodes install nothing of it: ';
    for (const args of [['ship', '--dry-run'], ['ship']]) {
      const outcome = await site.release(args);
      expect(outcome).toMatchObject({ code: 0 });
      expect(outcome.stdout).toContain(`${words}release renew\n`);
    }
    const renewed = await site.release(['renew']);
    expect(renewed).toMatchObject({ code: 0 });
    expect(renewed.stdout).not.toContain('has ended');
  });

  it('finishes what a crash cut off, with one sequence', async () => {
    const site = await useProject();
    await site.release(['ship']);
    const killed = await site.release(['renew'], { env: { LANDFALL_CRASH_AT: 'ship-signed' } });
    expect(killed.signal).toBe('SIGKILL');
    expect(await site.release(['renew'])).toMatchObject({ code: 0 });
    expect(manifestOn(site.mirror('oslo'))?.sequence).toBe(2);
  });

  it('refuses on a channel without a release', async () => {
    const site = await useProject();
    const refused = await site.release(['renew', '--channel', 'beta']);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("channel 'beta' has no release on any mirror");
  });
});
