/** Root documents on a node, with the real command: from `init` over a stolen key to the release after it. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publicKeyBase64 } from '@landfall/minisign';
import { expect, it } from 'vitest';
import { type CommandOptions, type Outcome, runCommand } from '../harness/command.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { put } from '../harness/mirror-folder.ts';
import { exampleWebUi, publish, ReleaseFactory } from '../harness/release-factory.ts';
import { rootFiles, rootOf, signRoot } from '../harness/roots.ts';
import { sha256 } from '../harness/signed-manifests.ts';
import { WebServer } from '../harness/web-server.ts';
import { makeWorld, type World } from '../harness/world.ts';

/** Points at which a node that takes a step may be killed, each reached after a kill at the one before. */
const POINTS = ['root-floors-set', 'root-step-kept', 'root-kept'];

interface Site extends World {
  updater: (args: readonly string[], options?: CommandOptions) => Promise<Outcome>;
  /** Leaves version 2 on the mirror: a fresh release key, and the floor at sequence 1. */
  rotate: () => ReleaseFactory;
  /** Leaves one on the mirror that has ended. */
  end: () => void;
  floor: () => unknown;
}

/** A node that `init` made from root document 1, with 1.0.0 installed. */
async function makeSite(): Promise<Site> {
  const world = await makeWorld();
  const { factory, mirror, node } = world;
  const { folder } = node;
  const rootKey = testKey();
  const document = (version: number, floors: { sequence: number; sha256: string }[] = []) => {
    const release = version === 1 ? factory.key : next.key;
    const made = rootOf(version, { root: [rootKey], release: [release] });
    const channels = made.channels.map((each) => ({ ...each, channel: 'stable' }));
    const set = floors.map((each) => ({ channel: 'stable', ...each }));
    return signRoot({ ...made, channel: 'stable', channels, floors: set }, [rootKey]);
  };
  const next = new ReleaseFactory(join(folder, 'next'));
  const pin = join(folder, 'root-1.json');
  for (const [path, content] of rootFiles(document(1), pin)) writeFileSync(path, content);
  const first = await world.ship('1.0.0');
  const web = await WebServer.start(join(folder, 'fresh/root'));
  const config = join(folder, 'fresh/updater.toml');
  const updater: Site['updater'] = (args, options) =>
    runCommand('updater', [...args, '--config', config], options);
  const given = [
    ...['init', '--app', 'archipelago', '--mirror', mirror, '--trusted-root', pin],
    ...['--web-user', 'nobody', '--probe-url', web.url, '--root', join(folder, 'fresh/root')],
    ...['--state', join(folder, 'fresh/state')],
  ];
  const both = await updater([...given, '--key', publicKeyBase64(rootKey.publicKey)]);
  expect([both.code, both.stderr]).toEqual([2, expect.stringContaining('found both')]);
  const init = await updater(given);
  expect(init, init.stderr).toMatchObject({ code: 0 });
  expect(init.stdout).toContain('shows 1.0.0 (stable)');
  expect(readFileSync(join(folder, 'fresh/root.json'))).toEqual(readFileSync(pin));
  const quick = readFileSync(config, 'utf8').replace(/^probation = .*$/m, 'probation = "0s"');
  writeFileSync(config, quick.replace(/^# interval = "2s"$/m, 'interval = "40ms"'));
  expect((await updater(['apply'])).code).toBe(0);
  const floors = [{ sequence: 1, sha256: sha256(first.bytes) }];
  const rotate = (): ReleaseFactory => {
    for (const [path, content] of rootFiles(document(2, floors))) put(mirror, path, content);
    return next;
  };
  const end = (): void => {
    const { root } = document(2);
    const ended = signRoot({ ...root, expires: '2026-04-23T00:00:00Z' }, [rootKey]);
    for (const [path, content] of rootFiles(ended)) put(mirror, path, content);
  };
  const floor = (): unknown => {
    const text = readFileSync(join(folder, 'fresh/state/floor.json'), 'utf8');
    return (JSON.parse(text) as { floors: { sequence: number }[] }).floors[0]?.sequence;
  };
  return { ...world, folder, updater, rotate, end, floor };
}

it('a node comes back from a stolen release key by itself, killed anywhere on the way', async () => {
  const { updater, rotate, floor, factory, mirror, folder } = await makeSite();
  // The thief pushes the sequence out of reach.
  const ahead = await factory.make({
    version: '6.6.6',
    webUi: exampleWebUi('6.6.6'),
    change: (manifest) => Object.assign(manifest, { sequence: 900, previous: null }),
  });
  publish(ahead, mirror);
  expect((await updater(['apply'])).code).toBe(0);
  expect(floor()).toBe(900);

  const good = await rotate().make({
    version: '6.6.7',
    webUi: exampleWebUi('6.6.7'),
    change: (manifest) => Object.assign(manifest, { sequence: 2, previous: null }),
  });
  publish(good, mirror);
  const check = await updater(['check']);
  expect([check.code, check.stdout]).toEqual([0, expect.stringContaining('6.6.7 (sequence 2)')]);
  expect([floor(), existsSync(join(folder, 'fresh/state/trust/root-2.json'))]).toEqual([
    900,
    false,
  ]);
  // Whoever asks a new updater compares with what is written down.
  const proof = await updater(['self-check', '--json']);
  expect(JSON.parse(proof.stdout)).toMatchObject({
    knowledge: { floor: 900 },
    newest: { version: '6.6.7', sequence: 2 },
  });
  for (const point of POINTS) {
    const killed = await updater(['apply'], { env: { LANDFALL_CRASH_AT: point } });
    expect([point, killed.signal]).toEqual([point, 'SIGKILL']);
    expect(floor()).toBe(1);
  }
  const applied = await updater(['apply']);
  expect(applied, applied.stderr).toMatchObject({ code: 0 });
  expect(floor()).toBe(2);
  expect(readFileSync(join(folder, 'fresh/root/current/web-ui/index.html'), 'utf8')).toContain(
    'version 6.6.7',
  );
  const status = await updater(['status']);
  expect(status.stdout).toMatch(/^trust +root document 2 until 2099-01-01T00:00:00Z; asked /m);
  publish(ahead, mirror);
  expect((await updater(['apply'])).code).toBe(3);
});

it('a root document that has ended is an alarm in the history once, however often mirrors are asked', async () => {
  const { updater, end, folder } = await makeSite();
  end();
  const known = join(folder, 'fresh/state/trust/newest.json');
  writeFileSync(known, '');
  for (let round = 0; round < 3; round += 1) {
    const once = await updater(['once']);
    expect(once.code, once.stderr).toBe(3);
    expect(once.stdout).toContain('root document 2 has expired');
  }
  const { stdout } = await updater(['history']);
  expect(stdout.match(/alarm: root-expired +root document 2 has expired/g)).toHaveLength(1);
});
