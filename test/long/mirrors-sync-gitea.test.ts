/** `mirrors sync` with Gitea servers: one commit object everywhere, nothing doubled, nothing forced. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publicKeyBase64, type SecretKey } from '@landfall/minisign';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type CommandOptions, type Outcome, runCommand } from '../harness/command.ts';
import { contentsOf } from '../harness/gitea-project.ts';
import { REPOSITORY } from '../harness/gitea-scene.ts';
import { type GiteaStandIn, startGiteaStandIn } from '../harness/gitea-stand-in/server.ts';
import { commitFiles } from '../harness/gitea-stand-in/state.ts';
import { testKey } from '../harness/minisign-keys.ts';
import {
  fillMirror,
  mirrorFolder,
  put,
  type SmallRelease,
  smallRelease,
} from '../harness/mirror-folder.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const ASSET = /^web-ui-1\.0\.\d+\.tar\.zst \d+$/;

/** Two servers, and a folder that a maintainer publishes to. */
interface Fleet {
  key: SecretKey;
  north: GiteaStandIn;
  south: GiteaStandIn;
  stick: string;
  /** Writes the configuration anew: `tokens` says whose token is known. */
  configure: (south: GiteaStandIn, tokens?: readonly string[]) => void;
  sync: (args: readonly string[], options?: CommandOptions) => Promise<Outcome>;
}

async function startServer(): Promise<GiteaStandIn> {
  const server = await startGiteaStandIn({ repository: REPOSITORY });
  onTestFinished(() => server.close());
  return server;
}

async function makeFleet(release?: (key: SecretKey) => SmallRelease): Promise<Fleet> {
  const key = testKey();
  const [north, south] = [await startServer(), await startServer()];
  const stick = mirrorFolder(release?.(key));
  const cwd = temporaryFolder();
  const configure: Fleet['configure'] = (second, tokens = ['north', 'south']) => {
    const gitea = (name: string, { url }: GiteaStandIn): unknown => ({
      type: 'gitea',
      name,
      url,
      repository: REPOSITORY,
      ...(tokens.includes(name) ? { token: { env: 'TOKEN' } } : {}),
    });
    const config = {
      app: 'archipelago',
      channel: 'alpha',
      keys: { public: [publicKeyBase64(key.publicKey)] },
      mirrors: [gitea('north', north), gitea('south', second)],
    };
    writeFileSync(join(cwd, 'release.config.ts'), `export default ${JSON.stringify(config)};\n`);
  };
  configure(south);
  const env = { TOKEN: north.token };
  const sync: Fleet['sync'] = (args, options = {}) =>
    runCommand('mirrors', ['sync', ...args], { cwd, ...options, env: { ...env, ...options.env } });
  return { key, north, south, stick, configure, sync };
}

describe('mirrors sync to Gitea', () => {
  it('fills empty servers from a stick with one commit, and brings one along that lags', async () => {
    const { key, north, south, stick, sync } = await makeFleet((each) => smallRelease([each], 4));
    const filled = await sync(['--from', stick]);
    expect([filled.code, filled.stderr]).toEqual([
      0,
      expect.stringContaining('south: has the index'),
    ]);
    expect(contentsOf(north).head).toMatch(/^[0-9a-f]{40}$/);
    expect(contentsOf(south)).toEqual(contentsOf(north));
    fillMirror(stick, smallRelease([key], 5));
    expect((await sync(['--from', stick, '--to', 'north'])).code).toBe(0);
    expect(contentsOf(south).head).not.toBe(contentsOf(north).head);
    const lagging = await sync(['--json']);
    expect(JSON.parse(lagging.stdout)).toMatchObject({
      mirrors: [
        { name: 'north', state: 'right', kept: 1, sent: 0 },
        { name: 'south', state: 'completed', kept: 0, sent: 1 },
      ],
    });
    expect(contentsOf(south)).toEqual(contentsOf(north));
    expect(contentsOf(south).assets).toEqual({
      'v1.0.4': [expect.stringMatching(ASSET)],
      'v1.0.5': [expect.stringMatching(ASSET)],
    });
  });

  it('rebuilds a server that lost its database, from one that it may only read', async () => {
    const { north, stick, configure, sync } = await makeFleet((each) => smallRelease([each], 4));
    expect((await sync(['--from', stick, '--to', 'north'])).code).toBe(0);
    const fresh = await startServer();
    configure(fresh, ['south']);
    const seen = north.requests.length;
    const outcome = await sync(['--from', 'north', '--to', 'south']);
    expect(outcome.code).toBe(0);
    expect(contentsOf(fresh)).toEqual(contentsOf(north));
    expect(north.requests.slice(seen).filter((each) => each.authorization !== undefined)).toEqual(
      [],
    );
    const back = mirrorFolder();
    expect((await sync(['--from', 'south', '--to', back])).code).toBe(0);
    for (const file of ['manifest.json', 'manifest.json.minisig']) {
      expect(readFileSync(join(back, 'releases', file))).toEqual(
        readFileSync(join(stick, 'releases', file)),
      );
    }
  });

  it('carries every channel that the index branch has', async () => {
    const { key, stick, north, south, sync } = await makeFleet((each) => smallRelease([each], 4));
    const beta = smallRelease([key], 9, (manifest) => {
      manifest.channel = 'beta';
    });
    put(stick, `releases/download/v1.0.9/${beta.artifact.file}`, beta.artifact.bytes);
    put(stick, 'releases/beta/manifest.json', beta.bytes);
    put(stick, 'releases/beta/manifest.json.minisig', beta.signature);
    expect((await sync(['--from', stick, '--to', 'north'])).code).toBe(0);
    expect((await sync([])).code).toBe(0);
    expect(Object.keys(contentsOf(south).assets).toSorted()).toEqual(['v1.0.4', 'v1.0.9']);
    expect(contentsOf(south)).toEqual(contentsOf(north));
  });

  it('reports a branch that diverged with both heads, and forces nothing', async () => {
    const { key, north, south, stick, sync } = await makeFleet((each) => smallRelease([each], 4));
    expect((await sync(['--from', stick])).code).toBe(0);
    const byHand = commitFiles(south.repository(), 'main', { 'note.txt': 'by hand\n' }, 'By hand');
    fillMirror(stick, smallRelease([key], 5));
    expect((await sync(['--from', stick, '--to', 'north'])).code).toBe(0);
    const outcome = await sync(['--json']);
    expect(outcome.code).toBe(4);
    const { mirrors } = JSON.parse(outcome.stdout) as { mirrors: { problem: unknown }[] };
    expect(mirrors[1]?.problem).toMatchObject({ code: 'DIVERGED' });
    expect(JSON.stringify(mirrors[1]?.problem)).toContain(contentsOf(north).head);
    expect(JSON.stringify(mirrors[1]?.problem)).toContain(byHand);
    expect(contentsOf(south).head).toBe(byHand);
  });

  it('sends no faster than told', async () => {
    const { key, north, stick, sync } = await makeFleet((each) => smallRelease([each], 4));
    const { size } = smallRelease([key], 4).artifact;
    let [begun, sent] = [0, 0];
    const isUpload = (method: string, path: string): boolean =>
      method === 'POST' && path.includes('/assets?');
    north.hooks.choose = (method, path) => {
      if (isUpload(method, path)) begun = performance.now();
      return undefined;
    };
    north.hooks.handled = (method, path) => {
      if (isUpload(method, path)) sent = performance.now();
    };
    // Two seconds' worth, of which at most one is free.
    const args = ['--from', stick, '--to', 'north', '--bandwidth', String(Math.floor(size / 2))];
    expect(await sync(args)).toMatchObject({ code: 0 });
    expect(sent - begun).toBeGreaterThan(900);
  });

  it.each([
    'mirror-release-ensured',
    'mirror-asset-sent',
    'mirror-uploaded',
    'mirror-release-published',
    'index-commit-made',
    'mirror-index-written',
  ])('finishes after a kill at %s with the same commit and no second copy', async (point) => {
    const { key, north, south, stick, sync } = await makeFleet((each) => smallRelease([each], 4));
    expect((await sync(['--from', stick])).code).toBe(0);
    fillMirror(stick, smallRelease([key], 5));
    expect((await sync(['--from', stick, '--to', 'north'])).code).toBe(0);
    const env = { LANDFALL_CRASH_AT: point, TMPDIR: temporaryFolder() };
    expect((await sync([], { env })).signal).toBe('SIGKILL');
    expect((await sync([])).code).toBe(0);
    expect(contentsOf(south)).toEqual(contentsOf(north));
  });
});
