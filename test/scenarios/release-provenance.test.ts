/** How a release was built: told beside the manifest, checked, and tried by building it again. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Artifact, type Manifest, parseManifest } from '@landfall/manifest';
import { sign } from '@landfall/minisign';
import { expect, it } from 'vitest';
import { parseProvenance } from '../../release/provenance.ts';
import { runCommand } from '../harness/command.ts';
import { git } from '../harness/git.ts';
import { manifestOn, unplug } from '../harness/mirror-content.ts';
import { minisign } from '../harness/minisign.ts';
import { makeMirror, type Project, useProject } from '../harness/project.ts';
import { rangesOf, resign } from '../harness/resign.ts';
import { secondMachine } from '../harness/second-machine.ts';

const EPOCH = '1776884400';

/** A project whose page is made by a script of its own; `makes` is that script. All of it is committed. */
async function useSource(
  makes: string,
  mirrors = ['oslo', 'lima'],
  format = 'sha1',
): Promise<Project> {
  const site = await useProject({ mirrors });
  const [webUi] = site.config.components;
  if (webUi !== undefined) webUi.before = [['sh', 'make.sh']];
  site.config.source = 'https://git.example.org/archipelago.git';
  site.writeConfig();
  rmSync(join(site.directory, 'dist'), { recursive: true });
  site.write('make.sh', `set -eu\nmkdir -p dist\n${makes}\n`);
  site.write('.gitignore', 'keys/\ndist/\n.release/\n');
  git(site.directory, 'init', '--quiet', `--object-format=${format}`);
  git(site.directory, 'add', '.');
  git(site.directory, 'commit', '--quiet', '-m', 'one');
  return site;
}

const REPRODUCIBLE =
  'printf "page of %s, %s" "$LANDFALL_VERSION" "$SOURCE_DATE_EPOCH" >dist/index.html';
const told = (site: Project, mirror: string): string =>
  join(site.mirror(mirror), 'provenance', '1.0.0.json');

it('is told by a statement that minisign verifies, and that building again confirms', async () => {
  const site = await useSource(REPRODUCIBLE);
  const env = { SOURCE_DATE_EPOCH: EPOCH };
  const shipped = await site.release(['ship'], { env });
  expect(shipped.code, shipped.stderr).toBe(0);
  minisign(site.root, ['-V', '-P', site.publicKey, '-m', told(site, 'oslo')]);
  const { subject, predicate } = parseProvenance(readFileSync(told(site, 'oslo')));
  const manifest = manifestOn(site.mirror('oslo'));
  const artifacts = manifest?.components.flatMap((each) => each.artifacts.map((one) => one)) ?? [];
  expect(subject).toEqual(
    artifacts.map(({ file, sha256 }) => ({ name: file, digest: { sha256 } })),
  );
  expect(predicate.buildDefinition).toMatchObject({
    externalParameters: { config: 'release.config.ts', sourceDateEpoch: Number(EPOCH) },
    resolvedDependencies: [
      {
        uri: 'git+https://git.example.org/archipelago.git',
        digest: { gitCommit: git(site.directory, 'rev-parse', 'HEAD') },
      },
      { name: 'config' },
    ],
  });
  // What lies about here, and what came later, has no part in it.
  site.write('dist/index.html', 'left over');
  site.write('make.sh', 'exit 1\n');
  git(site.directory, 'commit', '--quiet', '--all', '-m', 'two');
  const verified = await site.release(['verify', '--rebuild']);
  expect(verified.stdout).toContain('all 2 artifacts are identical');
  expect(verified.stdout.match(/2 of 2 +verified/g)).toHaveLength(2);
  expect(verified.code, verified.stderr).toBe(0);
  expect(git(site.directory, 'status', '--porcelain')).toBe('');
});

it('is confirmed in a repository whose objects are named by SHA-256', async () => {
  const site = await useSource(REPRODUCIBLE, ['oslo'], 'sha256');
  expect(await site.release(['ship'])).toMatchObject({ code: 0 });
  const verified = await site.release(['verify', '--rebuild']);
  expect(verified.code, verified.stderr).toBe(0);
  expect(verified.stdout).toContain('all 2 artifacts are identical');
});

it('names what differs when building again makes something else', async () => {
  const site = await useSource(
    `${REPRODUCIBLE}\nhead -c 8 /dev/urandom | od -x >dist/build.txt\nprintf '#!/bin/sh\\necho server ' >bin/server; cat dist/build.txt >>bin/server`,
  );
  git(site.directory, 'rm', '--quiet', '--cached', 'bin/server');
  site.write('.gitignore', 'keys/\ndist/\n.release/\nbin/\n');
  site.write(
    'make.sh',
    readFileSync(join(site.directory, 'make.sh'), 'utf8').replace(
      'mkdir -p dist',
      'mkdir -p dist bin',
    ),
  );
  git(site.directory, 'add', '.');
  git(site.directory, 'commit', '--quiet', '-m', 'made');
  expect((await site.release(['ship'])).code).toBe(0);
  // Not from the working folder's copies: a stranger has none.
  rmSync(join(site.directory, '.release'), { recursive: true });
  const verified = await site.release(['verify', '--rebuild', '--json']);
  expect(verified.code, verified.stderr).toBe(3);
  const { rebuild } = JSON.parse(verified.stdout);
  expect(rebuild).toMatchObject({
    identical: false,
    artifacts: [
      { verdict: 'content', files: [{ path: 'build.txt', change: 'changed' }] },
      { verdict: 'content', files: [], firstDifference: expect.any(Number) },
    ],
  });
  expect(rebuild.artifacts[1].firstDifference).toBeGreaterThan('#!/bin/sh\necho server'.length);
  const shown = await site.release(['verify', '--rebuild']);
  expect(shown.stdout).toContain('0 of 2 artifacts are identical');
  expect(shown.stdout).toContain('~ build.txt');
});

it('is not confirmed by equal bytes of which the manifest says what is not so', async () => {
  const site = await useSource(REPRODUCIBLE, ['oslo']);
  expect((await site.release(['ship'], { env: { SOURCE_DATE_EPOCH: EPOCH } })).code).toBe(0);
  const bytes = readFileSync(join(site.mirror('oslo'), 'releases/manifest.json'));
  const { file } = artifactOf(parseManifest(bytes), 'file');
  const good = rangesOf(join(site.mirror('oslo'), 'releases/download/v1.0.0', file));
  const other = good.map((each) => ({ ...each, sha256: 'e'.repeat(64) }));
  const server = (change: object) => (manifest: Manifest) =>
    void Object.assign(artifactOf(manifest, 'file'), change);
  const rows: [(manifest: Manifest) => void, string[], RegExp][] = [
    [server({ frames: good }), ['identical', 'identical'], /^$/],
    [server({ frames: other }), ['identical', 'contradiction'], /those of its frames/],
    [
      server({ frames: other, contentSha256: 'e'.repeat(64) }),
      ['identical', 'contradiction'],
      /those of its frames/,
    ],
    [
      server({ contentSha256: 'e'.repeat(64) }),
      ['identical', 'contradiction'],
      /unpacks to another file/,
    ],
    // No byte tells it: only who builds it again, and who signs it, can see.
    [server({ mode: 0o644 }), ['identical', 'contradiction'], /^$/],
    [
      (manifest) =>
        void Object.assign(artifactOf(manifest, 'tree')['tree'] ?? {}, { digest: 'e'.repeat(64) }),
      ['contradiction', 'identical'],
      /unpacks to another tree/,
    ],
  ];
  for (const [change, verdicts, problem] of rows) {
    resign(site, bytes, change);
    rmSync(join(site.directory, '.release'), { recursive: true, force: true });
    const verified = await site.release(['verify', '--rebuild', '--json']);
    const { rebuild, mirrors } = JSON.parse(verified.stdout);
    expect(rebuild.artifacts.map(({ verdict }: { verdict: string }) => verdict)).toEqual(verdicts);
    expect(verified.code).toBe(verdicts.includes('contradiction') ? 3 : 0);
    const [{ problems, refused }] = mirrors;
    expect(problems.join('; ')).toMatch(problem);
    expect(refused).toBe(problems.length > 0);
  }
  const shown = await site.release(['verify', '--rebuild']);
  expect(shown.stdout).toContain('oslo: alarm: the manifest contradicts itself about');
  expect(shown.stdout).toContain('1 of 2 artifacts are identical');
  expect(shown.stdout).toContain('alarm: the bytes are those of its sha256');
}, 90_000);

function artifactOf({ components }: Manifest, kind: 'tree' | 'file'): Artifact {
  const [artifact] = components.find((each) => each.kind === kind)?.artifacts ?? [];
  if (artifact === undefined) throw new Error(`there is no ${kind}`);
  return artifact;
}

it('cannot be tried without the commit, or without the configuration in it', async () => {
  const site = await useSource(REPRODUCIBLE, ['oslo']);
  git(site.directory, 'rm', '--quiet', '--cached', 'release.config.ts');
  site.write('.gitignore', 'keys/\ndist/\n.release/\nrelease.config.ts\n');
  git(site.directory, 'add', '.');
  git(site.directory, 'commit', '--quiet', '-m', 'without');
  expect((await site.release(['ship'])).code).toBe(0);
  const without = await site.release(['verify', '--rebuild']);
  expect(without.stderr).toContain("'release.config.ts' is not in commit");
  expect(without.code).toBe(1);
  rmSync(join(site.directory, '.git'), { recursive: true });
  const alone = await site.release(['verify', '--rebuild']);
  expect(alone.stderr).toContain('cannot be checked out');
  expect(alone.stderr).toContain('found no repository');
});

it('stays with the release: renewed, promoted, shipped from elsewhere, copied between mirrors', async () => {
  const site = await useSource(REPRODUCIBLE, ['oslo', 'lima', 'kyoto']);
  const plug = unplug(site.mirror('kyoto'));
  expect((await site.release(['ship', '--channel', 'beta'])).code).toBe(4);
  const first = readFileSync(told(site, 'oslo'));
  rmSync(join(site.directory, '.release'), { recursive: true });
  plug();
  expect((await site.release(['ship', '--channel', 'beta'])).code).toBe(0);
  expect((await site.release(['promote', '--from', 'beta'])).code).toBe(0);
  expect((await site.release(['renew'])).code).toBe(0);
  makeMirror(site.mirror('new'));
  const synced = await runCommand(
    'mirrors',
    ['sync', '--to', site.mirror('new'), '--config', join(site.directory, 'release.config.ts')],
    { cwd: site.directory },
  );
  expect(synced.code, synced.stderr).toBe(0);
  for (const mirror of ['oslo', 'lima', 'kyoto', 'new']) {
    expect(readFileSync(told(site, mirror))).toEqual(first);
    minisign(site.root, ['-V', '-P', site.publicKey, '-m', told(site, mirror)]);
  }
});

it('is not that of a build that was cut off, when another machine released the version', async () => {
  const site = await useProject({ mirrors: ['oslo', 'lima'] });
  const elsewhere = secondMachine(site);
  const env = { LANDFALL_CRASH_AT: 'ship-provenance-written' };
  expect(await site.release(['ship'], { env })).toMatchObject({ signal: 'SIGKILL' });
  site.write('../elsewhere/dist/index.html', 'the page of the other machine');
  const plug = unplug(site.mirror('lima'));
  expect(await elsewhere(['ship', '--quorum', '1'])).toMatchObject({ code: 4 });
  plug();
  expect(await site.release(['ship'])).toMatchObject({ code: 0 });
  const verified = await site.release(['verify']);
  expect(verified.code, verified.stdout).toBe(0);
  expect(readFileSync(told(site, 'lima'))).toEqual(readFileSync(told(site, 'oslo')));
});

it('is not believed from a mirror that changed it, or that took it from another release', async () => {
  const site = await useSource(REPRODUCIBLE);
  expect((await site.release(['ship'])).code).toBe(0);
  const honest = readFileSync(told(site, 'lima'), 'utf8');
  writeFileSync(told(site, 'lima'), honest.replace('archipelago.git', 'evil.git'));
  const changed = await site.release(['verify', '--quorum', '1']);
  expect(changed.code).toBe(4);
  expect(changed.stdout).toMatch(/lima +current +2 of 2 +not valid/);
  expect(changed.stdout).toContain('lima: provenance: not signed by enough trusted keys');

  const other = Buffer.from(
    honest.replace(/"gitCommit": "[0-9a-f]+"/, `"gitCommit": "${'0'.repeat(40)}"`),
  );
  writeFileSync(told(site, 'lima'), other);
  writeFileSync(`${told(site, 'lima')}.minisig`, sign(site.key, other, { trustedComment: 'x' }));
  const lying = await site.release(['verify', '--quorum', '1']);
  expect(lying.code).toBe(4);
  expect(lying.stdout).toContain('lima: its provenance is of something else: expected commit');

  rmSync(join(site.mirror('lima'), 'provenance'), { recursive: true });
  const silent = await site.release(['verify', '--quorum', '1']);
  expect(silent.stdout).toMatch(/lima +current +2 of 2 +none/);
  expect(silent.code).toBe(0);
});
