/** Releases that several people must sign: `release sign`, and `ship` that waits for it. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseManifest, serializeHalt, serializeManifest } from '@landfall/manifest';
import {
  formatKeyId,
  generateKeyPair,
  publicKeyBase64,
  serializeSecretKey,
} from '@landfall/minisign';
import { expect, it } from 'vitest';
import { type Outcome, runCommand } from '../harness/command.ts';
import { expectComplete, filesOf, manifestOn } from '../harness/mirror-content.ts';
import { type Project, useProject, writeWebUi } from '../harness/project.ts';
import { type Bo, makeBo, waitingIn } from '../harness/two-people.ts';

/** Anna has the project and a key, bo has another. Both must sign. */
async function useTwo(): Promise<{ site: Project; bo: Bo }> {
  const site = await useProject();
  const bo = await makeBo(site);
  site.config.keys = {
    // Bo's key has a place in the configuration that both share; it is not on this machine.
    secret: ['keys/release.key', 'keys/bo.key'],
    public: [site.publicKey, publicKeyBase64(bo.key.publicKey)],
    threshold: 2,
  };
  site.writeConfig();
  return { site, bo };
}

it('a release waits for the second person, and then goes on with the same bytes', async () => {
  const { site, bo } = await useTwo();
  const first = await site.release(['ship']);
  expect(first.code).toBe(3);
  expect(first.stderr).toContain("secret key 'keys/bo.key' is not on this machine");
  expect(first.stdout).toContain('waits for 1 more signature, 1 of 2 are there');
  expect(first.stdout).toContain(`may still sign: ${bo.id}`);
  expect(first.stdout).toContain(waitingIn(site));
  expect(first.stdout).toContain('release ship 1.0.0');
  for (const { directory } of site.mirrors) {
    expect(Object.keys(filesOf(directory))).toEqual(['landfall-mirror.json']);
  }
  const bytes = readFileSync(waitingIn(site));
  // What is in the project by now is of no interest, and nothing is signed twice.
  writeWebUi(site, 'something else');
  const again = await site.release(['ship', '--json']);
  expect(again.code).toBe(3);
  expect(JSON.parse(again.stdout)).toMatchObject({
    sequence: 1,
    waiting: { threshold: 2, signers: [formatKeyId(site.key.keyId)], missing: [bo.id] },
    next: 'release ship 1.0.0',
  });
  expect((await site.release(['status'])).stdout).toContain('waits for 1 more signature');
  expect(await site.release(['build'])).toMatchObject({ code: 2 });
  expect(readFileSync(waitingIn(site))).toEqual(bytes);
  const signed = await bo.sign(waitingIn(site));
  expect(signed.code).toBe(0);
  expect(signed.stderr).toContain('manifest of archipelago 1.0.0 (channel stable, sequence 1)');
  expect(signed.stdout).toContain(`signed by ${bo.id}: send back`);
  // The key here is not needed any more.
  const [key, away] = ['keys/release.key', 'keys/away.key'].map((each) =>
    join(site.directory, each),
  );
  renameSync(key ?? '', away ?? '');
  expect(await site.release(['ship'])).toMatchObject({ code: 0 });
  renameSync(away ?? '', key ?? '');
  expectComplete(site, '1.0.0');
  expect(readFileSync(join(site.mirror('oslo'), 'releases/manifest.json'))).toEqual(bytes);
  expect(readdirSync(join(site.directory, '.release/to-sign'))).toEqual([]);
  expect(await site.release(['verify'])).toMatchObject({ code: 0 });
  // The next manifests wait as well; minisign's own program signs them as well as ours.
  expect(await site.release(['renew'])).toMatchObject({ code: 3 });
  const file = waitingIn(site);
  const ofBo = join(bo.folder, 'bo.key');
  execFileSync('minisign', ['-S', '-s', ofBo, '-m', file, '-x', `${file}.from-bo.minisig`], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  expect(await site.release(['renew'])).toMatchObject({ code: 0 });
  expect(manifestOn(site.mirror('oslo'))?.sequence).toBe(2);
  expect(await site.release(['verify'])).toMatchObject({ code: 0 });
});

it('nothing waits any more after a kill right after the last signature', async () => {
  const { site, bo } = await useTwo();
  await site.release(['ship']);
  await bo.sign(waitingIn(site));
  const env = { LANDFALL_CRASH_AT: 'ship-signed' };
  expect(await site.release(['ship'], { env })).toMatchObject({ signal: 'SIGKILL' });
  expect(await site.release(['ship'])).toMatchObject({ code: 0 });
  expect(readdirSync(join(site.directory, '.release/to-sign'))).toEqual([]);
  expect((await site.release(['status'])).stdout).not.toContain('waits for');
});

it('a sequence that somebody may have signed is never given to another', async () => {
  const { site, bo } = await useTwo();
  await site.release(['ship']);
  await bo.sign(waitingIn(site));
  await site.release(['ship']);
  expect(await site.release(['ship', '1.1.0'])).toMatchObject({ code: 3 });
  expect(basename(join(waitingIn(site), '..'))).toBe('stable-2-1.1.0');
  const withdraw = ['withdraw', '1.0.0', '--reason', 'broken'];
  const nothingGood = await site.release(withdraw);
  expect(nothingGood).toMatchObject({ code: 3 });
  expect(nothingGood.stderr).toContain('there is none to go back to');
  // Killed between the manifest and the first signature, it goes on with that manifest.
  const env = { LANDFALL_CRASH_AT: 'ship-draft-written' };
  expect(await site.release(['ship', '1.2.0'], { env })).toMatchObject({ signal: 'SIGKILL' });
  const third = join(site.directory, '.release/to-sign/stable-3-1.2.0/manifest.json');
  const bytes = readFileSync(third);
  expect(await site.release(['ship', '1.2.0'])).toMatchObject({ code: 3 });
  expect(readFileSync(third)).toEqual(bytes);
  const signed = await site.release(['sign', third, '--key', join(bo.folder, 'bo.key')]);
  expect(signed).toMatchObject({ code: 0 });
  expect(signed.stdout).toContain('all 2 signatures are there');
  expect(await site.release(['ship', '1.2.0'])).toMatchObject({ code: 0 });
  expect(manifestOn(site.mirror('oslo'))).toMatchObject({ version: '1.2.0', sequence: 3 });
  // 1.1.0 was overtaken: what waited for it is gone.
  expect(existsSync(join(site.directory, '.release/to-sign/stable-2-1.1.0'))).toBe(false);
  expect(await site.release(['ship', '1.1.0'])).toMatchObject({ code: 2 });
});

it('holds what was built here against a manifest before it is signed', async () => {
  const { site, bo } = await useTwo();
  await site.release(['ship']);
  const bytes = readFileSync(waitingIn(site));
  const signing = (manifest: Uint8Array): Promise<Outcome> => {
    site.write('sent/manifest.json', manifest);
    return site.release(['sign', 'sent', '--dry-run', '--key', join(bo.folder, 'bo.key')]);
  };
  const honest = await signing(bytes);
  expect(honest).toMatchObject({ code: 0 });
  expect(honest.stderr).toContain('compared:  2 of 2 artifacts are what stands in');
  expect(honest.stderr).toContain('installs:  web-ui everywhere: a tree of ');
  const forged = (change: (server: Record<string, unknown>) => void): Uint8Array => {
    const manifest = parseManifest(bytes);
    change(manifest.components.find(({ kind }) => kind === 'file')!.artifacts[0]!);
    return serializeManifest(manifest);
  };
  const other = 'e'.repeat(64);
  const rows: [(server: Record<string, unknown>) => void, string][] = [
    [(server) => (server['contentSha256'] = other), 'it unpacks to another file'],
    [
      (server) =>
        (server['frames'] = [1, Number(server['size']) - 1].map((size) => ({
          size,
          sha256: other,
        }))),
      'are not those of its frames',
    ],
    [
      (server) => (server['sha256'] = other),
      'is not what the manifest means: expected sha256 eeee',
    ],
  ];
  for (const [change, words] of rows) {
    const refused = await signing(forged(change));
    expect(refused).toMatchObject({ code: 3 });
    expect(refused.stderr).toContain(words);
  }
  // Nor does it ship what waits in its own folder.
  writeFileSync(
    waitingIn(site),
    forged((server) => (server['contentSha256'] = other)),
  );
  const shipping = await site.release(['ship']);
  expect(shipping).toMatchObject({ code: 3 });
  expect(shipping.stderr).toContain('the manifest contradicts itself');
  // Where nothing was built, there is nothing to hold it against, and it is said.
  rmSync(join(site.directory, '.release'), { recursive: true });
  const blind = await signing(bytes);
  expect(blind).toMatchObject({ code: 0 });
  expect(blind.stderr).toContain('compared:  with nothing');
});

it('what is not what was made, or by a key that does not count, is not signed', async () => {
  const { site, bo } = await useTwo();
  const { folder } = bo;
  await site.release(['ship']);
  const file = join(folder, 'manifest.json');
  const text = readFileSync(waitingIn(site), 'utf8');
  const sign = (...args: string[]): Promise<Outcome> =>
    runCommand('release', ['sign', 'manifest.json', ...args], { cwd: folder });
  expect((await sign('--key', 'bo.key')).stderr).toContain('there is no such file');
  // A field twice: readers differ in which they believe.
  writeFileSync(file, text.replace('"version"', '"version": "9.9.9",\n  "version"'));
  const changed = await sign('--key', 'bo.key');
  expect(changed).toMatchObject({ code: 3 });
  expect(changed.stderr).toContain('it is not written the way release writes it');
  writeFileSync(file, text);
  expect(await sign()).toMatchObject({ code: 2 });
  expect(await sign('--key', 'bo.key', '--dry-run')).toMatchObject({ code: 0 });
  expect(readdirSync(folder).toSorted()).toEqual(['bo.key', 'bo.pub', 'manifest.json']);
  // A halt file is signed by the channel's keys as well.
  const halted = [{ version: '1.0.0', reason: 'breaks', at: '2026-05-01T00:00:00Z' }];
  const common = { schema: 1, kind: 'halt', app: 'archipelago', channel: 'stable' } as const;
  const halt = serializeHalt({ ...common, serial: 3, published: '2026-05-01T00:00:00Z', halted });
  writeFileSync(join(site.directory, 'halt.json'), halt);
  const halting = await site.release(['sign', 'halt.json']);
  expect(halting).toMatchObject({ code: 0 });
  expect(halting.stderr).toContain('halt file 3 of archipelago (channel stable)');
  expect(halting.stdout).toContain('keys of channel stable: waits for 1 more signature');
  const stranger = await serializeSecretKey(generateKeyPair(), { password: undefined });
  site.write('keys/stranger.key', stranger, 0o600);
  const refused = await site.release(['sign', waitingIn(site), '--key', 'keys/stranger.key']);
  expect(refused).toMatchObject({ code: 2 });
  expect(refused.stderr).toContain("expected its public key in 'keys.public'");
  site.config.app = 'another';
  site.writeConfig();
  expect(await site.release(['sign', waitingIn(site)])).toMatchObject({ code: 3 });
});
