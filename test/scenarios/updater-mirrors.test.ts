/**
 * A node among mirrors that are down, stale, lying or broken: it takes the
 * release from the others, and says what is wrong with the bad one.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateKeyPair } from '@landfall/minisign';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startFaultyMirror } from '../harness/faulty-mirror.ts';
import type { Fault, FaultRule, FaultyServer } from '../harness/http-faults.ts';
import { makeNode, type NodeOptions, type TestNode } from '../harness/node.ts';
import {
  exampleWebUi,
  makeMirror,
  publish,
  type Release,
  ReleaseFactory,
} from '../harness/release-factory.ts';
import { temporaryFolder } from '../harness/temporary.ts';

interface Fleet {
  factory: ReleaseFactory;
  /** The mirrors' folders; the first is the one that goes wrong. */
  folders: string[];
  bad: FaultyServer;
  node: TestNode;
  make: (version: string) => Promise<Release>;
}

/** A node that runs 1.0.0, with three mirrors served over HTTP; `mirror-1` can be told to misbehave. */
async function makeFleet(options: Partial<NodeOptions> = {}): Promise<Fleet> {
  const folder = temporaryFolder();
  const factory = new ReleaseFactory(join(folder, 'releases'));
  const folders = [1, 2, 3].map((number) => makeMirror(join(folder, `mirror-${number}`)));
  const servers = await Promise.all(folders.map((each) => startFaultyMirror(each)));
  onTestFinished(async () => void (await Promise.all(servers.map((server) => server.stop()))));
  const [bad] = servers;
  if (bad === undefined) throw new Error('no server');
  const mirrors = servers.map((server) => server.url);
  const node = await makeNode({ keys: [factory.publicKey], mirrors, ...options });
  const make = (version: string): Promise<Release> =>
    factory.make({ version, webUi: exampleWebUi(version) });
  const first = await make('1.0.0');
  for (const each of folders) publish(first, each);
  expect((await node.updater(['apply'])).code).toBe(0);
  return { factory, folders, bad, node, make };
}

const INDEX = /^\/releases\/manifest\.json(\?|$)/;
const ARTIFACT = /^\/releases\/download\//;

describe('a mirror that is wrong about the index', () => {
  it.each<[string, FaultRule, RegExp]>([
    ['drops connections', { fault: { kind: 'drop-before' } }, /./],
    ['answers 500', { fault: { kind: 'status', status: 500 } }, /500/],
    ['answers 502', { fault: { kind: 'status', status: 502 } }, /502/],
    ['answers a page of HTML with 200', { path: INDEX, fault: { kind: 'html' } }, /./],
    ['cuts the manifest short', { path: INDEX, fault: { kind: 'truncate' } }, /./],
    [
      'changes one bit of the manifest',
      { path: INDEX, fault: { kind: 'wrong-bytes' } },
      /signature|sign/,
    ],
    ['never ends the manifest', { path: INDEX, fault: { kind: 'endless' } }, /./],
    ['redirects elsewhere', { fault: { kind: 'redirect', to: 'http://127.0.0.2:1/' } }, /redirect/],
  ])('%s: the update goes on from the others, and the mirror is named', async (_, rule, words) => {
    const { node, folders, bad, make } = await makeFleet();
    const next = await make('1.1.0');
    for (const each of folders) publish(next, each);
    bad.rules.push(rule);
    const outcome = await node.updater(['apply']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    expect(node.page()).toContain('version 1.1.0');
    const named = outcome.stderr.split('\n').find((line) => line.startsWith("mirror 'mirror-1': "));
    expect(named).toMatch(words);
    expect(node.journal()).toContainEqual(expect.objectContaining({ mirror: 'mirror-1' }));
    const status = (await node.updater(['status'])).stdout;
    expect(status).toContain('2 of 3 without a problem');
    expect(status).toContain("'mirror-1' ");
  });

  it('is down: so too', async () => {
    const { node, folders, bad, make } = await makeFleet();
    const next = await make('1.1.0');
    for (const each of folders) publish(next, each);
    await bad.stop();
    const outcome = await node.updater(['apply']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    expect(outcome.stderr).toContain("mirror 'mirror-1': refused the connection");
    expect(node.page()).toContain('version 1.1.0');
  });

  it('is stale: it is told to be behind, and cannot take the node back', async () => {
    const { node, folders, make } = await makeFleet();
    const next = await make('1.1.0');
    for (const each of folders.slice(1)) publish(next, each);
    const outcome = await node.updater(['apply']);
    expect(outcome.code).toBe(0);
    expect(outcome.stderr).toContain("mirror 'mirror-1': is behind: expected sequence 2, found 1");
    expect(node.page()).toContain('version 1.1.0');
  });

  it('replays an old release together with all others: nothing is installed', async () => {
    const { node, folders, factory, make } = await makeFleet();
    const old = await make('1.0.1');
    const next = await make('1.1.0');
    for (const each of folders) publish(next, each);
    await node.updater(['apply']);
    for (const each of folders) publish(old, each);
    const outcome = await node.updater(['apply']);
    expect(outcome.code).toBe(3);
    expect(outcome.stdout).toContain('expected sequence 3 or more, found 2');
    expect(node.floor()).toBe(3);
    expect(node.page()).toContain('version 1.1.0');
    expect(factory.app).toBe('archipelago');
  });

  it('signed with another key: refused with exit code 3 when no other mirror is there', async () => {
    const { node, folders } = await makeFleet();
    const stranger = new ReleaseFactory(temporaryFolder(), { key: generateKeyPair() });
    const forged = await stranger.make({ version: '9.0.0', webUi: exampleWebUi('9.0.0') });
    for (const each of folders) publish(forged, each);
    const outcome = await node.updater(['apply']);
    expect(outcome.code).toBe(3);
    expect(outcome.stderr).toContain('no mirror shows a release to believe');
    expect(node.page()).toContain('version 1.0.0');
    expect(node.floor()).toBe(1);
  });

  it('shows another channel, well signed and newer, in place of ours: it is left out', async () => {
    const { node, folders, factory, make } = await makeFleet();
    const beta = new ReleaseFactory(temporaryFolder(), { key: factory.key, channel: 'beta' });
    const newer = await beta.make({
      version: '2.0.0-beta.1',
      webUi: exampleWebUi('2.0.0-beta.1'),
      change: (manifest) => (manifest.sequence = 900),
    });
    const next = await make('1.1.0');
    for (const each of folders) publish(next, each);
    publish(newer, folders[0] ?? '');
    const outcome = await node.updater(['apply']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    expect(outcome.stderr).toContain(
      "mirror 'mirror-1': shows another channel: expected 'stable', found 'beta'",
    );
    expect(node.page()).toContain('version 1.1.0');
    expect(node.floor()).toBe(2);
  });

  it('shows another manifest with the same sequence: neither is installed', async () => {
    const { node, folders, factory, make } = await makeFleet();
    const next = await make('1.1.0');
    for (const each of folders) publish(next, each);
    const twin = factory.sign({ ...next.manifest, notes: 'other words' }, next.folder);
    publish(twin, folders[0] ?? '');
    const outcome = await node.updater(['apply']);
    expect(outcome.code).toBe(3);
    expect(outcome.stdout).toContain('two different manifests have sequence 2');
    expect(outcome.stdout).toContain("'mirror-1'");
    expect(node.page()).toContain('version 1.0.0');
    expect((await node.updater(['history'])).stdout).toContain('alarm: equivocation');
  });
});

describe('a mirror that is wrong about the artifact', () => {
  it.each<[string, Fault, RegExp]>([
    ['wrong bytes', { kind: 'wrong-bytes' }, /is not what was signed/],
    ['a truncated one', { kind: 'short' }, /is not what was signed|expected \d+ bytes/],
    ['one that is cut off', { kind: 'truncate' }, /./],
    ['an endless one', { kind: 'endless' }, /./],
    ['a page of HTML', { kind: 'html' }, /./],
    ['an error', { kind: 'status', status: 503 }, /503/],
  ])('serves %s: the next one is asked, and the mirror is named', async (_, fault, words) => {
    const { node, folders, bad, make } = await makeFleet();
    const next = await make('1.1.0');
    // Only the bad mirror shows the newest, so it is asked first.
    publish(next, folders[0] ?? '');
    const artifact = `releases/download/v1.1.0/${next.manifest.components[0]?.artifacts[0]?.file}`;
    publish(next, folders[1] ?? '', { channel: 'elsewhere' });
    expect(readFileSync(join(folders[1] ?? '', artifact)).length).toBeGreaterThan(0);
    bad.rules.push({ method: 'GET', path: ARTIFACT, fault });
    const outcome = await node.updater(['apply']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    expect(node.page()).toContain('version 1.1.0');
    const named = outcome.stderr.split('\n').find((line) => line.startsWith("mirror 'mirror-1': "));
    expect(named).toMatch(words);
    expect(node.journal()).toContainEqual(expect.objectContaining({ mirror: 'mirror-1' }));
  });

  it('has one artifact, and another mirror the other: both are taken', async () => {
    const { node, folders, factory } = await makeFleet();
    const next = await factory.make({
      version: '1.1.0',
      webUi: exampleWebUi('1.1.0'),
      files: { server: '/usr/bin/sleep' },
    });
    for (const each of folders) publish(next, each);
    const [ui = '', server = ''] = next.manifest.components.map(
      ({ artifacts }) => artifacts[0]?.file,
    );
    const remove = (mirror: number, file: string): void =>
      rmSync(join(folders[mirror] ?? '', `releases/download/v1.1.0/${file}`));
    for (const [mirror, file] of [
      [0, ui],
      [1, server],
      [2, ui],
      [2, server],
    ] as const) {
      remove(mirror, file);
    }
    const outcome = await node.updater(['apply']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    expect(node.current()).toBe(next.deploymentId);
  });

  it('does not have it, nor has any other: nothing is begun', async () => {
    const { node, folders, make } = await makeFleet();
    const next = await make('1.1.0');
    const file = next.manifest.components[0]?.artifacts[0]?.file ?? '';
    for (const each of folders) {
      publish(next, each);
      writeFileSync(join(each, `releases/download/v1.1.0/${file}`), 'short');
    }
    const outcome = await node.updater(['apply']);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain(`no mirror has '${file}' of release 1.1.0`);
    // A command that a node has; `mirrors status` asks for a configuration that is not there.
    expect(outcome.stderr).toContain("hint: 'updater check' shows which mirrors are up");
    expect(node.page()).toContain('version 1.0.0');
    expect(node.hasMarker()).toBe(false);
    expect(node.quarantined()).toStrictEqual([]);
  });
});
