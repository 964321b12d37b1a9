/** Deltas as maintainers make them: at build, from earlier releases that are here or on mirrors. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { digestTree, extractTree, gateArchive } from '@landfall/archive';
import { applyDelta } from '@landfall/delta';
import { artifactFiles, deltasOf, type Manifest } from '@landfall/manifest';
import { expect, it } from 'vitest';
import { contradiction, parseProvenance } from '../../release/provenance.ts';
import { git } from '../harness/git.ts';
import { expectComplete, manifestOn } from '../harness/mirror-content.ts';
import { makeNode } from '../harness/node.ts';
import { type Project, useProject, writeWebUi } from '../harness/project.ts';
import { temporaryFolder } from '../harness/temporary.ts';

/** A project whose web UI is large, and changes little from one edition to the next. */
async function bigProject(): Promise<Project> {
  const site = await useProject({
    mirrors: ['oslo', 'lima'],
    configure: (config) => (config.deltas = 2),
  });
  site.write('dist/assets/photo.jpg', noise('photo', 60_000));
  site.write('bin/server', noise('server', 40_000), 0o755);
  return site;
}

function noise(seed: string, bytes: number): Buffer {
  return createHash('shake256', { outputLength: bytes }).update(seed).digest();
}

async function ship(site: Project, version: string): Promise<string> {
  writeWebUi(site, version);
  const { code, stderr } = await site.release(['ship', version]);
  expect([code, stderr]).toEqual([0, expect.any(String)]);
  expectComplete(site, version);
  return stderr;
}

/** How the release was built is told of its deltas too; of older releases it may not be. */
function expectTold(site: Project, manifest: Manifest | undefined): void {
  if (manifest === undefined) throw new Error('there is no manifest');
  const path = join(site.mirror('oslo'), 'provenance', `${manifest.version}.json`);
  const provenance = parseProvenance(readFileSync(path));
  const { subject } = provenance;
  const files = artifactFiles(manifest);
  expect(subject).toEqual(files.map(({ file, sha256 }) => ({ name: file, digest: { sha256 } })));
  expect(contradiction(provenance, manifest)).toBeUndefined();
  const older = subject.filter(({ name }) => !name.endsWith('.delta'));
  expect(older).toHaveLength(2);
  expect(contradiction({ ...provenance, subject: older }, manifest)).toBeUndefined();
  const other = subject.map((each) =>
    older.includes(each) ? each : { ...each, digest: { sha256: '0'.repeat(64) } },
  );
  const said = contradiction({ ...provenance, subject: other }, manifest);
  expect(said).toMatch(/^'web-ui-1\.2\.0\.from-1\.1\.0\.delta': expected .*, found 000000000000…$/);
}

/** By component, where its deltas start. */
function startsIn(manifest: Manifest | undefined): Record<string, string[]> {
  const components = manifest?.components ?? [];
  return Object.fromEntries(
    components.map(({ name, artifacts }) => [
      name,
      artifacts.flatMap(deltasOf).map(({ from }) => from.version),
    ]),
  );
}

it('are made from the last releases, published with the artifacts, and kept by what follows', async () => {
  const site = await bigProject();
  const node = await makeNode({ keys: [site.publicKey], mirrors: [site.mirror('lima')] });
  await ship(site, '1.0.0');
  expect(await node.updater(['apply'])).toMatchObject({ code: 0 });
  await ship(site, '1.1.0');
  const said = await ship(site, '1.2.0');
  expect(said).toMatch(/web-ui-1\.2\.0\.from-1\.1\.0\.delta: \d+ B, [\d.]+ % of web-ui-1\.2\.0/);
  const manifest = manifestOn(site.mirror('oslo'));
  // The server is the same in all of them: nodes keep it.
  expect(startsIn(manifest)).toEqual({ 'web-ui': ['1.1.0', '1.0.0'], server: [] });
  expect(await node.updater(['apply'])).toMatchObject({ code: 0 });
  expect(node.current()).toMatch(/^1\.2\.0-/);
  expect(node.journal().flatMap(({ delta }) => delta ?? [])).toMatchObject([
    { component: 'web-ui', file: 'web-ui-1.2.0.from-1.0.0.delta', from: '1.0.0' },
  ]);
  expect(await leadsTo(site, manifest, '1.0.0')).toEqual(webUiOf(manifest).tree);
  expect(readdirSync(join(site.directory, '.release/1.2.0'))).not.toContain('.deltas');
  expectTold(site, manifest);
  const diff = await site.release(['diff', '1.0.0', '1.2.0']);
  expect(diff.stdout).toMatch(/web-ui: changed, archive .* KiB.*, delta \d+ B\n/);

  // A promotion carries the deltas along; so does going back, but for one that is lost.
  expect((await site.release(['promote', '--from', 'stable', '--to', 'beta'])).code).toBe(0);
  expect(manifestOn(site.mirror('lima'), 'beta')?.components).toEqual(manifest?.components);
  await ship(site, '1.3.0');
  const lost = 'web-ui-1.2.0.from-1.1.0.delta';
  for (const folder of [join(site.directory, '.release/1.2.0'), ...folders(site, '1.2.0')]) {
    rmSync(join(folder, lost));
  }
  const back = await site.release(['withdraw', '1.3.0']);
  expect(back.code).toBe(0);
  expect(back.stderr).toContain(`${lost}: on no mirror any more, left out`);
  expectComplete(site, '1.2.0');
  expect(startsIn(manifestOn(site.mirror('oslo')))['web-ui']).toEqual(['1.0.0']);

  // A channel begins with a delta from what other channels have.
  writeWebUi(site, '2.0.0');
  expect((await site.release(['ship', '2.0.0-rc.1', '--channel', 'rc'])).code).toBe(0);
  const candidate = manifestOn(site.mirror('oslo'), 'rc');
  expect(startsIn(candidate)).toEqual({ 'web-ui': ['1.2.0'], server: [] });
});

it('are made from what mirrors have, and left out with a word where a base cannot be had', async () => {
  const site = await bigProject();
  await ship(site, '1.0.0');
  await ship(site, '1.1.0');
  rmSync(join(site.directory, '.release'), { recursive: true });
  for (const folder of folders(site, '1.0.0')) rmSync(join(folder, 'web-ui-1.0.0.tar.zst'));
  writeWebUi(site, '1.2.0');
  const more = noise('more', 100);
  site.write('bin/server', Buffer.concat([noise('server', 40_000), more]), 0o755);
  const built = await site.release(['build', '1.2.0', '--json']);
  expect(JSON.parse(built.stdout).deltas).toMatchObject([
    { file: 'web-ui-1.2.0.from-1.1.0.delta', from: { version: '1.1.0' } },
    { file: 'server-1.2.0-linux-x64.from-1.1.0.delta', format: 1 },
  ]);
  site.write('.gitignore', 'keys/\n.release/\n');
  git(site.directory, 'init', '--quiet');
  git(site.directory, 'add', '.');
  git(site.directory, 'commit', '--quiet', '-m', 'one');
  const said = await ship(site, '1.2.0');
  expect(said).toMatch(/web-ui: no delta from 1\.0\.0: .*'web-ui-1\.0\.0\.tar\.zst'/);
  expect(startsIn(manifestOn(site.mirror('lima')))).toEqual({
    'web-ui': ['1.1.0'],
    server: ['1.1.0'],
  });
  const rebuilt = await site.release(['verify', '--rebuild']);
  expect(rebuilt.stdout).toContain('all 2 artifacts are identical\nnote: deltas are left out');
  // Who wants none makes none, and hears nothing of it.
  site.config.deltas = 0;
  site.writeConfig();
  rmSync(join(site.directory, '.git'), { recursive: true });
  expect(await ship(site, '1.3.0')).not.toContain('delta');
  expect(readFileSync(join(site.mirror('oslo'), 'releases/manifest.json'), 'utf8')).not.toContain(
    '"from":',
  );
});

const webUiOf = (manifest: Manifest | undefined) => {
  const [webUi] = manifest?.components ?? [];
  if (webUi?.kind !== 'tree') throw new Error('the project changed');
  return webUi.artifacts[0]!;
};

/** What the web UI's published delta from `version` makes of the release that it starts from. */
async function leadsTo(site: Project, manifest: Manifest | undefined, version: string) {
  const [folder, base] = [manifest!.version, version].map((each) =>
    join(site.mirror('lima'), `releases/download/v${each}`),
  ) as [string, string];
  const archive = join(base, `web-ui-${version}.tar.zst`);
  const { tree, listing } = await gateArchive(archive);
  const [root, into] = [temporaryFolder(), temporaryFolder()];
  await extractTree(archive, root, { expect: tree });
  const delta = deltasOf(webUiOf(manifest)).find(({ from }) => from.version === version)!;
  expect(delta.from.digest).toBe(tree.digest);
  const fd = openSync(join(folder, delta.file), 'r');
  await applyDelta(fd, { base: { root, listing }, expect: webUiOf(manifest).tree, into });
  closeSync(fd);
  const { digest, size, entries } = digestTree(into);
  return { digest, size, entries };
}

function folders(site: Project, version: string): string[] {
  return site.mirrors.map(({ directory }) => join(directory, `releases/download/v${version}`));
}
