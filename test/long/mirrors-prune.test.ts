/** `mirrors prune`: old artifacts go, and nothing that anybody may still need. */
import { readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '@landfall/manifest';
import { publicKeyBase64, type SecretKey } from '@landfall/minisign';
import { describe, expect, it, onTestFinished } from 'vitest';
import { serveDirectory } from '../../mirrors/serve.ts';
import { type CommandOptions, type Outcome, runCommand } from '../harness/command.ts';
import { contentsOf } from '../harness/gitea-project.ts';
import { REPOSITORY } from '../harness/gitea-scene.ts';
import { startGiteaStandIn } from '../harness/gitea-stand-in/server.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { fillMirror, mirrorFolder, put, smallRelease } from '../harness/mirror-folder.ts';
import { sha256 } from '../harness/signed-manifests.ts';
import { temporaryFolder } from '../harness/temporary.ts';

async function prune(
  key: SecretKey,
  mirrors: readonly string[],
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Outcome> {
  const given = mirrors.flatMap((each) => ['--mirror', each]);
  const whom = ['--app', 'archipelago', '--key', publicKeyBase64(key.publicKey)];
  return runCommand('mirrors', ['prune', ...given, ...whom, ...args], options);
}

/** A folder that releases 1 to `last` were published to, one after the other. */
function mirrorWith(key: SecretKey, last: number): string {
  const folder = mirrorFolder();
  for (let sequence = 1; sequence <= last; sequence += 1)
    fillMirror(folder, smallRelease([key], sequence));
  return folder;
}

const versionsIn = (folder: string): string[] =>
  readdirSync(join(folder, 'releases/download')).toSorted();

function addBeta(folder: string, key: SecretKey, sequence: number): void {
  const beta = smallRelease([key], sequence, (manifest: Manifest) => (manifest.channel = 'beta'));
  put(folder, 'releases/beta/manifest.json', beta.bytes);
  put(folder, 'releases/beta/manifest.json.minisig', beta.signature);
}

describe('mirrors prune', () => {
  it('keeps the newest versions and removes the others', async () => {
    const key = testKey();
    const folder = mirrorWith(key, 5);
    const outcome = await prune(key, [folder], ['--keep', '2']);
    expect(outcome.code).toBe(0);
    expect(versionsIn(folder)).toEqual(['v1.0.4', 'v1.0.5']);
    expect((await prune(key, [folder], ['--keep', '2', '--json'])).stdout).toContain(
      '"removed": []',
    );
  });

  it('lists in a dry run what would go and why the rest stays, and removes nothing', async () => {
    const key = testKey();
    const folder = mirrorWith(key, 3);
    const { code, stdout } = await prune(key, [folder], ['--keep', '1', '--dry-run']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/would remove 1\.0\.1: web-ui-1\.0\.1\.tar\.zst \(\d+ KiB\)/);
    expect(stdout).toMatch(/would remove 1\.0\.2:/);
    expect(stdout).toMatch(/keeps 1\.0\.3: 'releases\/manifest\.json' names it/);
    expect(versionsIn(folder)).toEqual(['v1.0.1', 'v1.0.2', 'v1.0.3']);
  });

  it('never removes what a manifest of another channel names, old as it is', async () => {
    const key = testKey();
    const folder = mirrorWith(key, 5);
    addBeta(folder, key, 2);
    expect((await prune(key, [folder], ['--keep', '1'])).code).toBe(0);
    expect(versionsIn(folder)).toEqual(['v1.0.2', 'v1.0.5']);
  });

  it.each([
    ['nothing', undefined],
    ['an older one', 3],
  ])('never removes what its folder names where readers still find %s', async (_, sequence) => {
    const key = testKey();
    const [folder, cache] = [mirrorWith(key, 5), mirrorWith(key, 5)];
    if (sequence !== undefined) addBeta(cache, key, sequence);
    addBeta(folder, key, 2);
    const served = await serveDirectory(cache, { host: '127.0.0.1', port: 0 });
    onTestFinished(() => served.close());
    const cwd = temporaryFolder();
    const config = {
      app: 'archipelago',
      keys: { public: [publicKeyBase64(key.publicKey)] },
      mirrors: [{ type: 'directory', path: folder, url: served.address }],
    };
    writeFileSync(join(cwd, 'release.config.ts'), `export default ${JSON.stringify(config)};\n`);
    expect((await runCommand('mirrors', ['prune', '--keep', '1'], { cwd })).code).toBe(0);
    const named = sequence === undefined ? ['v1.0.2'] : ['v1.0.2', `v1.0.${sequence}`];
    expect(versionsIn(folder)).toEqual([...named, 'v1.0.5']);
  });

  it('never removes what another mirror still names', async () => {
    const key = testKey();
    const [folder, lagging] = [mirrorWith(key, 5), mirrorWith(key, 3)];
    expect((await prune(key, [folder, lagging], ['--keep', '1', '--on', folder])).code).toBe(0);
    expect(versionsIn(folder)).toEqual(['v1.0.3', 'v1.0.5']);
    expect(versionsIn(lagging)).toHaveLength(3);
  });

  it('keeps what the index names though newer versions are stored', async () => {
    const key = testKey();
    const folder = mirrorWith(key, 5);
    fillMirror(folder, smallRelease([key], 2));
    expect((await prune(key, [folder], ['--keep', '1'])).code).toBe(0);
    expect(versionsIn(folder)).toEqual(['v1.0.2', 'v1.0.5']);
  });

  it.each<[string, (folder: string) => void, string]>([
    [
      'an index that is not well signed',
      (folder) => rmSync(join(folder, 'releases/manifest.json.minisig')),
      'UNTRUSTED',
    ],
    ['no index', (folder) => rmSync(join(folder, 'releases/manifest.json')), 'NOT_FOUND'],
    [
      'a manifest that cannot be read',
      (folder) => put(folder, 'releases/odd/manifest.json', '{'),
      'BAD_ANSWER',
    ],
    ['no marker', (folder) => rmSync(join(folder, 'landfall-mirror.json')), 'UNREACHABLE'],
  ])('leaves a mirror alone that has %s', async (_, harm, problem) => {
    const key = testKey();
    const folder = mirrorWith(key, 5);
    harm(folder);
    const outcome = await prune(key, [folder], ['--keep', '1', '--json']);
    expect(outcome.code).toBe(1);
    expect(JSON.parse(outcome.stdout)).toMatchObject({
      mirrors: [{ removed: [], problem: { code: problem } }],
    });
    expect(versionsIn(folder)).toHaveLength(5);
  });

  it('removes nothing anywhere when two manifests have one sequence', async () => {
    const key = testKey();
    const folders = [mirrorWith(key, 3), mirrorWith(key, 2)];
    fillMirror(
      folders[1] ?? '',
      smallRelease([key], 3, (manifest) => (manifest.notes = 'another')),
    );
    expect((await prune(key, folders, ['--keep', '1'])).code).toBe(3);
    for (const each of folders) expect(versionsIn(each)).toHaveLength(3);
  });

  it('touches nothing that is no release', async () => {
    const key = testKey();
    const folder = mirrorWith(key, 3);
    put(folder, 'releases/download/latest/readme.txt', 'mine');
    put(folder, 'releases/notes.txt', 'mine');
    expect((await prune(key, [folder], ['--keep', '1'])).code).toBe(0);
    expect(versionsIn(folder)).toEqual(['latest', 'v1.0.3']);
    expect(readdirSync(join(folder, 'releases'))).toContain('notes.txt');
  });

  it.each(['releases/download/v1.0.1', 'releases/download', 'releases'])(
    'follows no link out of the mirror: %s',
    async (path) => {
      const key = testKey();
      const [folder, elsewhere] = [mirrorWith(key, 3), join(temporaryFolder(), 'elsewhere')];
      renameSync(join(folder, path), elsewhere);
      symlinkSync(elsewhere, join(folder, path));
      const before = readdirSync(elsewhere, { recursive: true });
      expect((await prune(key, [folder], ['--keep', '1'])).code).toBe(0);
      expect(readdirSync(elsewhere, { recursive: true })).toEqual(before);
    },
  );

  it('finishes after a kill in the middle', async () => {
    const key = testKey();
    const folder = mirrorWith(key, 4);
    const env = { LANDFALL_CRASH_AT: 'mirror-artifact-removed', TMPDIR: temporaryFolder() };
    expect((await prune(key, [folder], ['--keep', '1'], { env })).signal).toBe('SIGKILL');
    expect((await prune(key, [folder], ['--keep', '1'])).code).toBe(0);
    expect(
      versionsIn(folder).filter(
        (name) => readdirSync(join(folder, 'releases/download', name)).length > 0,
      ),
    ).toEqual(['v1.0.4']);
  });

  it.each([[['--keep', '0']], [[]]])('wants a number: %s', async (args) => {
    expect((await prune(testKey(), [mirrorFolder()], args)).code).toBe(2);
  });
});

describe('mirrors prune on Gitea', () => {
  it("keeps the version of 'previous', which git remembers, and every release's page", async () => {
    const key = testKey();
    const server = await startGiteaStandIn({ repository: REPOSITORY });
    onTestFinished(() => server.close());
    const cwd = temporaryFolder();
    const stick = mirrorFolder();
    const config = {
      app: 'archipelago',
      channel: 'alpha',
      keys: { public: [publicKeyBase64(key.publicKey)] },
      mirrors: [
        {
          type: 'gitea',
          name: 'north',
          url: server.url,
          repository: REPOSITORY,
          token: { env: 'TOKEN' },
        },
      ],
    };
    writeFileSync(join(cwd, 'release.config.ts'), `export default ${JSON.stringify(config)};\n`);
    const env = { TOKEN: server.token };
    let previous: Manifest['previous'] = null;
    for (const sequence of [1, 2, 3, 4]) {
      const release = smallRelease([key], sequence, (manifest) => (manifest.previous = previous));
      previous = { sequence, sha256: sha256(release.bytes) };
      fillMirror(stick, release);
      expect((await runCommand('mirrors', ['sync', '--from', stick], { cwd, env })).code).toBe(0);
    }
    const before = contentsOf(server);
    expect(
      (await runCommand('mirrors', ['prune', '--keep', '1', '--dry-run'], { cwd, env })).code,
    ).toBe(0);
    expect(contentsOf(server)).toEqual(before);
    const outcome = await runCommand('mirrors', ['prune', '--keep', '1'], { cwd, env });
    expect([outcome.code, outcome.stderr]).toEqual([
      0,
      'north: removed 1.0.1\nnorth: removed 1.0.2\n',
    ]);
    const left = Object.entries(contentsOf(server).assets).map(([tag, files]) => [
      tag,
      files.length,
    ]);
    expect(Object.fromEntries(left)).toEqual({
      'v1.0.1': 0,
      'v1.0.2': 0,
      'v1.0.3': 1,
      'v1.0.4': 1,
    });
    expect(contentsOf(server).head).toBe(before.head);
  });
});
