/**
 * Root documents on the maintainers' side, with real commands: two people make
 * the first, a release key is stolen and used, they replace it, and releases
 * go on from the last good one. What nodes do of it has tests of its own.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serializeManifest } from '@landfall/manifest';
import { formatKeyId, generateKeyPair, publicKeyBase64, sign } from '@landfall/minisign';
import { verifyFirstRoot, verifyNextRoot } from '@landfall/trust';
import { expect, it } from 'vitest';
import { runCommand } from '../harness/command.ts';
import {
  brokenPromises,
  expectComplete,
  filesOf,
  manifestOn,
  unplug,
} from '../harness/mirror-content.ts';
import { useNode } from '../harness/pinned-node.ts';
import { type Project, useProject, writeWebUi } from '../harness/project.ts';
import { type Bo, makeBo, writeKey } from '../harness/two-people.ts';

/** Anna and bo hold a root key each, and both must sign; anna's release key signs releases alone. */
async function useRoots(secondMaySign = false): Promise<{ site: Project; bo: Bo }> {
  const site = await useProject();
  const bo = await makeBo(site);
  await writeKey(join(site.directory, 'keys'), 'second', generateKeyPair());
  const releaseKeys = secondMaySign ? [site.publicKey, 'keys/second.pub'] : [];
  await writeKey(join(site.directory, 'keys'), 'root-anna', generateKeyPair());
  const init = ['trust', 'init', '--root-threshold', '2', '--reason', 'the first'];
  const keys = ['keys/root-anna.pub', join(bo.folder, 'bo.pub')];
  const made = await site.release([
    ...init,
    ...keys.flatMap((each) => ['--root-key', each]),
    ...releaseKeys.flatMap((each) => ['--key', each]),
  ]);
  expect(made).toMatchObject({ code: 0 });
  expect(made.stdout).toContain('version 1 lacks signatures: 0 of 2 root keys of version 1');
  await signBoth(site, bo, 1);
  site.config.keys = { secret: ['keys/release.key'], root: 'trust' };
  site.writeConfig();
  return { site, bo };
}

async function signBoth(site: Project, bo: Bo, version: number): Promise<void> {
  const files = [version, version - 1].map((each) =>
    join(site.directory, `trust/root-${each}.json`),
  );
  const [file = '', before = ''] = files;
  const mine = await site.release(['sign', file, '--key', 'keys/root-anna.key']);
  expect(mine).toMatchObject({ code: 0 });
  const his = await bo.sign(file, existsSync(before) ? [before] : []);
  expect(his).toMatchObject({ code: 0 });
  expect(his.stderr).toContain(`root document ${version} of archipelago`);
}

/** What a node would read of a version from a mirror. */
function served(site: Project, version: number): { bytes: Buffer; signatures: string[] } {
  const folder = site.mirror('oslo');
  const name = `trust/root-${version}.json`;
  const names = Object.keys(filesOf(folder)).filter(
    (each) => each.startsWith(`${name}.`) && each.endsWith('.minisig'),
  );
  return {
    bytes: readFileSync(join(folder, name)),
    signatures: names.map((each) => readFileSync(join(folder, each), 'utf8')),
  };
}

/** Whoever has the release key puts a manifest of their own on every mirror. */
function publishAsThief(site: Project): void {
  const good = manifestOn(site.mirror('oslo'));
  if (good === undefined) throw new Error('nothing is published');
  const bytes = serializeManifest({ ...good, version: '9.9.9', sequence: 900, notes: 'mine' });
  for (const { directory } of site.mirrors) {
    const path = join(directory, 'releases/manifest.json');
    writeFileSync(path, bytes);
    writeFileSync(`${path}.minisig`, sign(site.key, bytes, { trustedComment: 'mine' }));
  }
}

it('a release key is stolen and used, and two people take it out of use', async () => {
  const { site, bo } = await useRoots();
  expect(await site.release(['ship'])).toMatchObject({ code: 0 });
  expectComplete(site, '1.0.0');
  expect(manifestOn(site.mirror('oslo'))?.root).toBe(1);
  const one = served(site, 1);
  expect(one.signatures).toHaveLength(2);
  const first = verifyFirstRoot(one.bytes, one.signatures, { app: 'archipelago' });
  const good = filesOf(site.mirror('oslo'))['releases/manifest.json'];
  const check = await useNode(site);
  publishAsThief(site);
  expect(await check()).toMatchObject({ version: '9.9.9', sequence: 900 });
  // They have a new key, and say which release was the last good one.
  const stolen = formatKeyId(site.key.keyId);
  const rotate = ['trust', 'rotate', '--drop', stolen, '--key', 'keys/second.pub'];
  const asked = await site.release(rotate);
  expect(asked).toMatchObject({ code: 2 });
  expect(asked.stderr).toContain("expected the last good release of channel 'stable'");
  const told = [...rotate, '--floor', 'stable=1.0.0', '--reason', 'a laptop was stolen'];
  expect((await site.release([...told, '--dry-run'])).stdout).toContain('would write');
  expect(await site.release(told)).toMatchObject({ code: 0 });
  // Until both have signed, the first version counts, and no other is begun.
  const shown = JSON.parse((await site.release(['trust', 'show', '--json'])).stdout) as object;
  expect(shown).toMatchObject({
    versions: [{ version: 1 }],
    waiting: {
      version: 2,
      roles: [
        { whose: 'root keys of version 1', threshold: 2, signers: [] },
        { whose: 'root keys of version 2', threshold: 2, signers: [] },
      ],
    },
  });
  expect(await site.release(told)).toMatchObject({ code: 2 });
  await signBoth(site, bo, 2);
  site.config.keys.secret = ['keys/second.key'];
  site.writeConfig();
  const env = { LANDFALL_CRASH_AT: 'roots-written' };
  expect(await site.release(['trust', 'publish'], { env })).toMatchObject({ signal: 'SIGKILL' });
  expect(await site.release(['trust', 'publish'])).toMatchObject({ code: 0 });
  expect(await check()).toMatchObject({ error: { code: 'NO_MANIFEST' } });
  const two = served(site, 2);
  const second = verifyNextRoot(first, two.bytes, two.signatures);
  expect(second.root.floors).toEqual([{ channel: 'stable', sequence: 1, sha256: good }]);
  // Nobody believes the thief's manifest now; the last good release goes on, signed by the new key.
  const renewed = await site.release(['renew']);
  expect(renewed).toMatchObject({ code: 0 });
  expect(renewed.stderr).toContain('the keys were replaced after 1.0.0 (sequence 1)');
  expect(manifestOn(site.mirror('oslo'))).toMatchObject({
    version: '1.0.0',
    sequence: 2,
    root: 2,
    previous: { sequence: 1, sha256: good },
    notes: '',
    withdrawn: [],
  });
  expect(await site.release(['verify'])).toMatchObject({ code: 0 });
  expect(await check()).toMatchObject({ version: '1.0.0', sequence: 2 });
  // Nodes that took the thief's version leave it.
  expect(await site.release(['withdraw', '9.9.9'])).toMatchObject({ code: 2 });
  expect(await site.release(['withdraw', '9.9.9', '--foreign'])).toMatchObject({ code: 0 });
  expect(manifestOn(site.mirror('oslo'))).toMatchObject({ sequence: 3, withdrawn: ['9.9.9'] });
  // A mirror that was set up anew gets every version with the next release.
  rmSync(join(site.mirror('lima'), 'trust'), { recursive: true });
  writeWebUi(site, 'two');
  expect(await site.release(['ship', '1.1.0'])).toMatchObject({ code: 0 });
  expectComplete(site, '1.1.0');
  expect(await check()).toMatchObject({ version: '1.1.0', sequence: 4 });
  // What was signed before the rotation is still right where it was kept.
  const audit = await runCommand('mirrors', ['audit'], { cwd: site.directory });
  expect([audit.code, audit.stdout]).toEqual([0, expect.stringContaining('nothing found')]);
  // A checkout from before the rotation ships nothing.
  renameSync(join(site.directory, 'trust/root-2.json'), join(site.directory, 'trust/aside'));
  site.config.keys.secret = ['keys/release.key'];
  site.writeConfig();
  const old = await site.release(['ship', '1.2.0']);
  expect(old).toMatchObject({ code: 3 });
  expect(old.stderr).toContain('expected version 2, which a mirror has, found 1');
});

it('a good release of the key that is dropped is signed anew, not one before it that lags', async () => {
  const { site, bo } = await useRoots(true);
  site.config.keys.secret = ['keys/second.key'];
  site.writeConfig();
  expect(await site.release(['ship'])).toMatchObject({ code: 0 });
  const plugIn = unplug(site.mirror('lima'));
  site.config.keys.secret = ['keys/release.key'];
  site.writeConfig();
  writeWebUi(site, 'two');
  expect(await site.release(['ship', '1.1.0'])).toMatchObject({ code: 4 });
  plugIn();
  const manifest = join(site.mirror('oslo'), 'releases/manifest.json');
  const rotate = ['trust', 'rotate', '--drop', site.publicKey, '--floor', `stable=${manifest}`];
  expect(await site.release(rotate)).toMatchObject({ code: 0 });
  await signBoth(site, bo, 2);
  site.config.keys.secret = ['keys/second.key'];
  site.writeConfig();
  // Nothing is here any more, and what lima has is signed well enough: nodes are past it.
  rmSync(join(site.directory, '.release'), { recursive: true });
  const shipped = await site.release(['ship', '1.1.0', '--json']);
  expect(JSON.parse(shipped.stdout)).toMatchObject({ version: '1.1.0', sequence: 3, complete: 3 });
  for (const { directory } of site.mirrors) {
    expect(manifestOn(directory)).toMatchObject({ version: '1.1.0', previous: { sequence: 2 } });
    expect(brokenPromises(directory)).toEqual([]);
  }
});

it('what a root document does not say is not signed', async () => {
  const { site } = await useRoots();
  const beta = await site.release(['ship', '--channel', 'beta']);
  expect(beta).toMatchObject({ code: 3 });
  expect(beta.stderr).toContain("lets nobody sign channel 'beta'");
  await writeKey(join(site.directory, 'keys'), 'stranger', generateKeyPair());
  const stranger = ['trust/root-1.json', '--key', 'keys/stranger.key'];
  const refused = await site.release(['sign', ...stranger]);
  expect(refused).toMatchObject({ code: 2 });
  expect(refused.stderr).toContain('expected its public key in the root document');
  site.config.keys.public = [publicKeyBase64(site.key.publicKey)];
  site.writeConfig();
  expect((await site.release(['ship'])).stderr).toContain("expected none with 'root'");
  delete site.config.keys.public;
  site.config.keys.root = 'nowhere';
  site.writeConfig();
  expect((await site.release(['ship'])).stderr).toContain('found none');
});
