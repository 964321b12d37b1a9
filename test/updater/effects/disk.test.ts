/** The effects that change the disk: the switch, tidying, and the look at the room there is. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Selected } from '@landfall/manifest';
import { describe, expect, it } from 'vitest';
import { describeDeployment, findDamage } from '../../../updater/deployments.ts';
import { checkSpace } from '../../../updater/effects/space.ts';
import { switchCurrent } from '../../../updater/effects/switch.ts';
import { removeDeployment, removeLeftovers, tidy } from '../../../updater/effects/tidy.ts';
import type { Deployment } from '../../../updater/facts.ts';
import type { Host } from '../../../updater/host.ts';
import { errorOf } from '../../harness/errors.ts';
import { makeHost } from '../../harness/host.ts';

const AT = '2026-04-22T19:00:00.000Z';

function deploy({ paths, store }: Host, version: string): Deployment {
  const id = `${version}-0123456789ab`;
  mkdirSync(join(paths.deployments, id, 'web-ui'), { recursive: true });
  writeFileSync(join(paths.deployments, id, 'web-ui/index.html'), version);
  const deployment = { id, version, digest: version.padEnd(64, '0'), sequence: 1 };
  store.recordStaged(deployment, AT);
  return deployment;
}

describe('the switch', () => {
  it('points current at a deployment, at another, at nothing', () => {
    const host = makeHost();
    const { paths } = host;
    const [first, second] = [deploy(host, '1.0.0'), deploy(host, '1.1.0')];
    switchCurrent(paths, first);
    expect(readlinkSync(paths.current)).toBe(`deployments/${first.id}`);
    switchCurrent(paths, second);
    switchCurrent(paths, second);
    expect(readlinkSync(paths.current)).toBe(`deployments/${second.id}`);
    switchCurrent(paths, undefined);
    switchCurrent(paths, undefined);
    expect(lstatSync(paths.current, { throwIfNoEntry: false })).toBeUndefined();
    expect(readdirSync(paths.root)).toStrictEqual(['deployments']);
  });

  it('never points it at what is not there', async () => {
    const host = makeHost();
    const first = deploy(host, '1.0.0');
    switchCurrent(host.paths, first);
    const gone = { ...first, id: '9.0.0-0123456789ab' };
    const error = await errorOf(() => switchCurrent(host.paths, gone));
    expect(error).toMatchObject({ code: 'DEPLOYMENT', exit: 1 });
    expect(readlinkSync(host.paths.current)).toBe(`deployments/${first.id}`);
  });

  it('replaces a link that leads nowhere', () => {
    const host = makeHost();
    const first = deploy(host, '1.0.0');
    symlinkSync('deployments/gone', host.paths.current);
    switchCurrent(host.paths, first);
    expect(readlinkSync(host.paths.current)).toBe(`deployments/${first.id}`);
  });
});

describe('tidying', () => {
  const kept = ({ paths }: Host): string[] =>
    readdirSync(paths.deployments)
      .toSorted()
      .map((id) => id.replace('-0123456789ab', ''));

  it('keeps what runs, what ran before it, what the marker names, and the newest good ones', () => {
    const folder = makeHost({ top: 'keep = 4' });
    const all = ['1.0.0', '1.1.0', '1.2.0', '1.3.0', '1.4.0', '1.5.0', '1.6.0'].map((version) =>
      deploy(folder, version),
    );
    const [previous, running, marked, , failed] = all;
    if (!previous || !running || !marked || !failed) throw new Error('not made');
    folder.store.saveState({
      name: 'committed',
      running: { deployment: running, since: AT, previous },
    });
    folder.store.writeMarker({ from: running, to: marked, phase: 'prepared', attempt: 1 }, 1000);
    folder.store.quarantineRelease({ deployment: failed, reason: 'status 500' }, AT);
    tidy(folder);
    expect(kept(folder)).toStrictEqual(['1.0.0', '1.1.0', '1.2.0', '1.6.0']);
    expect(
      folder.store.deployments.map((each) => each.deployment.version).toSorted(),
    ).toStrictEqual(['1.0.0', '1.1.0', '1.2.0', '1.6.0']);
  });

  it('removes what is half-made or half-removed, and old downloads; nothing it does not know', () => {
    const host = makeHost();
    const { paths } = host;
    deploy(host, '1.0.0');
    mkdirSync(join(paths.deployments, '.staging-1.1.0-0123456789ab/web-ui'), { recursive: true });
    mkdirSync(join(paths.deployments, '.removing-0.9.0-0123456789ab'));
    mkdirSync(join(paths.deployments, 'of-somebody-else'));
    mkdirSync(paths.downloads);
    for (const name of [
      'old.zst.unverified',
      'new.zst.unverified',
      'late.zst.unverified',
      'else',
    ]) {
      writeFileSync(join(paths.downloads, name), 'x');
    }
    const [old, late] = [-8, 8].map((days) => Date.now() / 1000 + days * 86_400);
    utimesSync(join(paths.downloads, 'old.zst.unverified'), old ?? 0, old ?? 0);
    // Written before a clock without a battery went back.
    utimesSync(join(paths.downloads, 'late.zst.unverified'), late ?? 0, late ?? 0);
    tidy(host);
    expect(kept(host)).toStrictEqual(['1.0.0', 'of-somebody-else']);
    expect(readdirSync(paths.downloads)).toStrictEqual([
      'late.zst.unverified',
      'new.zst.unverified',
    ]);
    removeLeftovers(host, true);
    expect(readdirSync(paths.downloads)).toStrictEqual([]);
  });

  it('takes a deployment away under another name first', () => {
    const host = makeHost();
    const { id } = deploy(host, '1.0.0');
    removeDeployment(host, id);
    removeDeployment(host, id);
    expect(existsSync(join(host.paths.deployments, id))).toBe(false);
    expect(kept(host)).toStrictEqual([]);
  });
});

describe('a deployment', () => {
  it('proves itself by its bytes and modes', () => {
    const host = makeHost();
    const { id } = deploy(host, '1.0.0');
    const page = join(host.paths.deployments, id, 'web-ui/index.html');
    const whole = describeDeployment(host.paths, id);
    expect(whole).toMatchObject({ id, version: '1.0.0' });
    expect(findDamage(host.paths, whole)).toBeUndefined();
    writeFileSync(page, '1.0.1');
    expect(findDamage(host.paths, whole)).toContain('is not what was installed');
    expect(findDamage(host.paths, { ...whole, id: '2.0.0-0123456789ab' })).toContain(
      'not on the disk',
    );
    symlinkSync('/etc/hostname', join(host.paths.deployments, id, 'web-ui/link'));
    expect(findDamage(host.paths, whole)).toContain('cannot be read back');
  });
});

describe('the room for an update', () => {
  const tree = (size: number, entries: number): Selected => ({
    name: 'web-ui',
    kind: 'tree',
    artifact: {
      platform: 'any',
      file: 'web-ui.tar.zst',
      size: 1000,
      sha256: '0'.repeat(64),
      tree: { digest: '0'.repeat(64), size, entries },
      deltas: [],
    },
  });

  it('is enough for a small one, and said to be missing for one that is too large', async () => {
    const { paths } = makeHost();
    expect(() => checkSpace(paths, [tree(1000, 10)])).not.toThrow();
    const large = await errorOf(() => checkSpace(paths, [tree(2 ** 50, 10)]));
    expect(large).toMatchObject({ code: 'NO_SPACE', exit: 1 });
    expect(large.message).toMatch(/^not enough space at '.+': expected 1024 TiB free, found .+iB$/);
    const many = await errorOf(() => checkSpace(paths, [tree(1000, 2 ** 40)]));
    expect(many.code).toBe('NO_SPACE');
    expect(existsSync(paths.downloads)).toBe(false);
    expect(statSync(paths.root).isDirectory()).toBe(true);
  });
});
