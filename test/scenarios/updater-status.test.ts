/** What `updater status` tells after looks that found something else than the one before. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateKeyPair } from '@landfall/minisign';
import { describe, expect, it } from 'vitest';
import { inTheField } from '../harness/field-node.ts';
import { makeNode, type TestNode } from '../harness/node.ts';
import { exampleWebUi, makeMirror, publish, ReleaseFactory } from '../harness/release-factory.ts';
import { temporaryFolder } from '../harness/temporary.ts';
import { makeWorld } from '../harness/world.ts';

const screen = async (node: TestNode): Promise<string> => (await node.updater(['status'])).stdout;

describe('no mirror that can be gone by', () => {
  /** A node that runs 1.0.0, and its two mirrors. */
  async function makeScene(): Promise<{ node: TestNode; folders: string[]; all: string }> {
    const all = join(temporaryFolder(), 'all');
    const factory = new ReleaseFactory(temporaryFolder());
    const folders = ['a', 'b'].map((name) => makeMirror(join(all, name)));
    const node = await makeNode({ keys: [factory.publicKey], mirrors: folders });
    const first = await factory.make({ version: '1.0.0', webUi: exampleWebUi('1.0.0') });
    for (const each of folders) publish(first, each);
    expect((await node.updater(['apply'])).code).toBe(0);
    expect((await node.updater(['once'])).code).toBe(0);
    expect(await screen(node)).toContain('2 of 2 without a problem');
    return { node, folders, all };
  }

  it('is told, with why and since when, until one answers again', async () => {
    const { node, all } = await makeScene();
    const before = node.read('last-check.json') as { at: string };
    renameSync(all, `${all}.away`);
    expect((await node.updater(['once'])).code).toBe(1);
    const { failing } = node.read('last-check.json') as { failing: { since: string } };
    expect((await node.updater(['once'])).code).toBe(1);

    const lines = await screen(node);
    const shown = (iso: string): string => iso.replace(/\.\d+Z$/, 'Z');
    expect(lines).toContain(
      `WARNING: no mirror shows a release to believe since ${shown(failing.since)}`,
    );
    expect(lines).toMatch(
      new RegExp(`^available +1\\.0\\.0 .*it runs; seen ${shown(before.at)}`, 'm'),
    );
    expect(lines).toMatch(
      /^mirrors +0 of 2 without a problem; asked .*\n +'mirror-1' .*\n +'mirror-2' /m,
    );
    expect(lines).toMatch(/^to do +look at the mirrors \(.*\), then ask again: updater once$/m);
    expect(await node.json(['status'])).toMatchObject({
      lastCheck: {
        failing: { since: failing.since, seen: before.at },
        newest: { version: '1.0.0' },
        problems: [{ mirror: 'mirror-1' }, { mirror: 'mirror-2' }],
      },
    });
    const told = (await node.updater(['history'])).stdout.match(/mirrors failing .*$/gm);
    expect(told, 'once, for two looks').toHaveLength(1);
    expect(told?.[0]).toMatch(/'mirror-1' .*; 'mirror-2' /);

    renameSync(`${all}.away`, all);
    expect((await node.updater(['once'])).code).toBe(0);
    expect(await screen(node)).toMatch(/^to do +nothing: the next release is taken by itself$/m);
    expect((await node.updater(['history'])).stdout).toContain(
      `none showed a release to believe since ${failing.since}`,
    );
  });

  it('is told of mirrors with another key too, and on a node that knows nothing yet', async () => {
    const { node, folders } = await makeScene();
    const stranger = new ReleaseFactory(temporaryFolder(), { key: generateKeyPair() });
    const forged = await stranger.make({ version: '9.0.0', webUi: exampleWebUi('9.0.0') });
    for (const each of folders) publish(forged, each);
    expect((await node.updater(['once'])).code).toBe(3);
    const lines = await screen(node);
    expect(lines).toMatch(/^WARNING: no mirror shows a release to believe since /m);
    expect(lines).toMatch(/^mirrors +0 of 2 .*\n +'mirror-1' .*none of the trusted keys/m);
    expect(lines).not.toContain('9.0.0');

    const fresh = await makeNode({
      keys: [new ReleaseFactory(temporaryFolder()).publicKey],
      mirrors: folders,
    });
    expect((await fresh.updater(['apply'])).code).toBe(3);
    expect(await screen(fresh)).toMatch(
      /^available +not known: no mirror showed a release yet$[^]*^to do +look at the mirrors /m,
    );
  });
});

describe('why the newest release is not installed', () => {
  it('is a hold for as long as one stands', async () => {
    const { node, ship } = await makeWorld();
    await ship('1.0.0');
    await node.updater(['apply']);
    await ship('1.1.0');
    expect((await node.updater(['hold', '--for', '1h', '--reason', 'audit'])).code).toBe(0);
    expect((await node.updater(['once'])).stdout).toContain('not installed: held until');
    expect(await screen(node)).toContain('not installed: it is held');
    expect(await node.json(['status'])).toMatchObject({ refusal: { code: 'held' } });
    expect((await node.updater(['unhold'])).code).toBe(0);
    const lines = await screen(node);
    expect(lines).not.toContain('not installed');
    expect(lines).toMatch(/^to do +install it now: updater apply$/m);
    expect(await node.json(['status'])).toMatchObject({
      refusal: null,
      lastCheck: { refusal: { code: 'held' } },
    });
  });

  it('is not that it runs, once it does not, or not as it was released', async () => {
    const { node, ui } = await inTheField();
    expect((await node.updater(['adopt'])).code).toBe(0);
    expect((await node.updater(['once'])).stdout).toContain('1.0.0 runs already');
    expect(await screen(node)).toMatch(/^available +1\.0\.0 .*it runs/m);
    expect((await node.updater(['adopt', '--undo'])).code).toBe(0);
    const undone = await screen(node);
    expect(undone).not.toContain('runs');
    expect(undone).toMatch(/^to do +install the first release: updater apply$/m);
    writeFileSync(join(ui, 'upload.txt'), 'of a visitor');
    const carried = await node.updater(['adopt', '--carry', '--version', '1.0.0']);
    expect(carried.code, carried.stderr).toBe(0);
    expect(await screen(node)).not.toContain('it runs');
  });
});
