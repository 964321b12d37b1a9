/** A node whose state folder was deleted, or restored from a backup, while mirrors replay what it has left behind. */
import { cpSync, rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../updater/config.ts';
import { openHost } from '../../updater/host.ts';
import { readStatus } from '../../updater/status/view.ts';
import { type Attacked, attackedNode } from '../harness/attacked-node.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const look = ({ node }: Attacked): ReturnType<typeof readStatus> =>
  readStatus(
    openHost(loadConfig(node.config), {
      signal: new AbortController().signal,
      note: () => undefined,
      preserve: false,
    }),
  );

describe('a state folder', () => {
  it.each(['restored from a backup', 'deleted'])(
    '%s: what it accepted since is not forgotten, and it is said',
    async (how) => {
      const scene = await attackedNode();
      const { node } = scene;
      const backup = temporaryFolder();
      cpSync(node.state, backup, { recursive: true });
      const [replayed, newest] = [await scene.make('1.0.1'), await scene.make('1.1.0')];
      scene.publish(newest);
      expect((await scene.update()).outcome).toBe('kept');
      rmSync(node.state, { recursive: true });
      if (how === 'deleted') cpSync(temporaryFolder(), node.state, { recursive: true });
      else cpSync(backup, node.state, { recursive: true });
      const found = how === 'deleted' ? 'none' : '1';
      const lost = `lost: expected sequence 3 of channel 'stable', found ${found}`;
      expect(look(scene).restored?.reason).toContain(lost);
      scene.publish(replayed);
      const { code, told } = await scene.update();
      expect([code, node.floor()], told).toStrictEqual(['below-floor', 3]);
      expect(told).toContain(lost);
      expect(node.page()).toContain('version 1.1.0');
      expect(node.journal()).toContainEqual(
        expect.objectContaining({ alarm: 'state restored' }) as unknown,
      );
      expect((await scene.update()).told, 'told once, and on the screen').not.toContain(lost);
      expect(look(scene).restored?.reason).toContain(lost);
    },
  );

  it('without its floor and its copy is known by the journal', async () => {
    const scene = await attackedNode();
    rmSync(`${scene.node.state}/floor.json`);
    rmSync(`${scene.node.root}/floor.json`);
    const { told } = await scene.update();
    expect(told).toContain("'floor.json' was lost: expected sequence 1, found none");
    expect(scene.node.floor()).toBe(1);
    expect(look(scene).restored).not.toBeNull();
  });
});
