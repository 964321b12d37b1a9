/** A node without a network is updated from a USB stick, with the checks that every mirror gets. */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Outcome, runCommand } from '../harness/command.ts';
import { startFaultyMirror } from '../harness/faulty-mirror.ts';
import { makeNode, type TestNode } from '../harness/node.ts';
import { exampleWebUi, makeMirror, publish, ReleaseFactory } from '../harness/release-factory.ts';
import { temporaryFolder } from '../harness/temporary.ts';

interface Island {
  factory: ReleaseFactory;
  /** The mirror's folder on the mainland, which is served over HTTP. */
  mainland: string;
  stick: string;
  node: TestNode;
  ship: (version: string) => Promise<void>;
  /** Fills the stick from the mainland's address, as its operator would. */
  fill: () => Promise<Outcome>;
}

async function makeIsland(): Promise<Island> {
  const folder = temporaryFolder();
  const factory = new ReleaseFactory(join(folder, 'releases'));
  const mainland = makeMirror(join(folder, 'mainland'));
  const server = await startFaultyMirror(mainland);
  onTestFinished(() => server.stop());
  const stick = join(folder, 'stick');
  expect((await runCommand('mirrors', ['init', stick])).code).toBe(0);
  const node = await makeNode({ keys: [factory.publicKey], mirrors: [pathToFileURL(stick).href] });
  const ship = async (version: string): Promise<void> =>
    publish(await factory.make({ version, webUi: exampleWebUi(version) }), mainland);
  const whom = ['--app', factory.app, '--key', factory.publicKey];
  const fill = (): Promise<Outcome> =>
    runCommand('mirrors', ['sync', '--mirror', server.url, ...whom, '--to', stick]);
  return { factory, mainland, stick, node, ship, fill };
}

/** The one artifact of a version on the stick. */
function artifactOn(stick: string, version: string): string {
  const folder = join(stick, 'releases/download', `v${version}`);
  return join(folder, readdirSync(folder)[0] ?? '');
}

describe('a node with a stick', () => {
  it('updates from what mirrors sync put there, and again after the stick was refilled', async () => {
    const { node, ship, fill } = await makeIsland();
    for (const version of ['1.0.0', '1.1.0']) {
      await ship(version);
      expect((await fill()).code).toBe(0);
      const outcome = await node.updater(['apply']);
      expect([outcome.code, outcome.stderr]).toEqual([0, expect.not.stringContaining('error')]);
      expect(node.page()).toContain(`version ${version}`);
    }
    expect(node.floor()).toBe(2);
  });

  it.each<[string, (stick: string) => void, RegExp]>([
    [
      'an artifact with other bytes',
      (stick) => {
        const path = artifactOn(stick, '1.1.0');
        const bytes = readFileSync(path);
        bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
        writeFileSync(path, bytes);
      },
      /is not what was signed/,
    ],
    [
      'an artifact that is cut short',
      (stick) => {
        const path = artifactOn(stick, '1.1.0');
        writeFileSync(path, readFileSync(path).subarray(0, 100));
      },
      /no mirror has 'web-ui-1\.1\.0\.tar\.zst'/,
    ],
    [
      'a manifest that was edited',
      (stick) => {
        const path = join(stick, 'releases/manifest.json');
        writeFileSync(path, readFileSync(path, 'utf8').replace('"1.1.0"', '"1.2.0"'));
      },
      /sign/,
    ],
    [
      'nothing on it, not being mounted',
      (stick) => {
        renameSync(stick, `${stick}-pulled`);
        mkdirSync(stick);
      },
      /is not a mirror: no 'landfall-mirror\.json'/,
    ],
  ])('takes nothing from a stick with %s', async (_, harm, words) => {
    const { node, ship, fill, stick } = await makeIsland();
    await ship('1.0.0');
    await fill();
    expect((await node.updater(['apply'])).code).toBe(0);
    const before = node.current();
    await ship('1.1.0');
    expect((await fill()).code).toBe(0);
    harm(stick);
    const outcome = await node.updater(['apply']);
    expect(outcome.code).not.toBe(0);
    expect(outcome.stderr).toMatch(words);
    expect(node.current()).toBe(before);
    expect(node.page()).toContain('version 1.0.0');
  });

  it('does not go back to an old stick', async () => {
    const { node, ship, fill, stick } = await makeIsland();
    await ship('1.0.0');
    await fill();
    const old = join(temporaryFolder(), 'old');
    await runCommand('mirrors', ['init', old]);
    for (const name of ['manifest.json', 'manifest.json.minisig']) {
      writeFileSync(join(old, 'releases', name), readFileSync(join(stick, 'releases', name)));
    }
    await ship('1.1.0');
    await fill();
    expect((await node.updater(['apply'])).code).toBe(0);
    for (const name of ['manifest.json', 'manifest.json.minisig']) {
      writeFileSync(join(stick, 'releases', name), readFileSync(join(old, 'releases', name)));
    }
    const outcome = await node.updater(['apply']);
    expect(`${outcome.stdout}${outcome.stderr}`).toMatch(
      /older than what this node has accepted|up to date/,
    );
    expect(node.page()).toContain('version 1.1.0');
  });
});
