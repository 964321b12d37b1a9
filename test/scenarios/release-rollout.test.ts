/** A release that goes out in steps, from the maintainer's command to the node that waits for its turn. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { manifestOn } from '../harness/mirror-content.ts';
import { makeNode } from '../harness/node.ts';
import { useProject, writeWebUi } from '../harness/project.ts';

it('waits for its turn, until its maintainer lets it go to all', async () => {
  const site = await useProject({
    mirrors: ['oslo'],
    configure: (config) => config.components.splice(1),
  });
  expect(await site.release(['ship', '1.0.0'])).toMatchObject({ code: 0 });
  const node = await makeNode({ keys: [site.publicKey], mirrors: [site.mirror('oslo')] });
  expect(await node.updater(['once'])).toMatchObject({ code: 0 });
  expect(existsSync(join(node.state, 'node-id')), 'no steps, no id').toBe(false);

  writeWebUi(site, 'two');
  const wrong = await site.release(['ship', '1.1.0', '--steps', '50@now,10@+1h']);
  expect(wrong).toMatchObject({ code: 2 });
  const shipped = await site.release(['ship', '1.1.0', '--steps', '0@now,100@+24h']);
  expect(shipped.stderr).toMatch(/it goes out to 100 % of the nodes from \S+ on/);
  const { published = '', rollout } = manifestOn(site.mirror('oslo')) ?? {};
  expect(rollout?.steps).toMatchObject([{ percent: 0, at: published }, { percent: 100 }]);

  const dry = await node.updater(['check']);
  expect(dry, 'a look gives no place').toMatchObject({
    code: 0,
    stdout: expect.stringContaining('with its first check') as string,
  });
  const waiting = await node.updater(['once']);
  expect(waiting).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(
      /goes out in steps, and this node's place is [\d.]+ of 100/,
    ) as string,
  });
  const id = readFileSync(join(node.state, 'node-id'), 'utf8');
  const applied = await node.updater(['apply']);
  expect(applied.code).toBe(3);
  // How long that is from now on may be another minute by then.
  const withoutWait = (text: string): string => text.replace(/ \(in [^)]*\)/, '');
  expect(withoutWait(applied.stdout)).toBe(withoutWait(waiting.stdout));
  expect((await node.updater(['status'])).stdout).toContain(
    'not installed, as of then: it goes out in steps',
  );
  expect(node.page()).toContain('one');

  const killed = await site.release(['rollout', '1.1.0', '--steps', 'all'], {
    env: { LANDFALL_CRASH_AT: 'ship-signed' },
  });
  expect(killed.signal).toBe('SIGKILL');
  const signed = readFileSync(join(site.directory, '.release/1.1.0/manifest.json'));
  expect(await site.release(['rollout', '1.1.0', '--steps', 'all'])).toMatchObject({ code: 0 });
  expect(readFileSync(join(site.mirror('oslo'), 'releases/manifest.json'))).toEqual(signed);
  const again = await site.release(['rollout', '1.1.0', '--steps', 'all']);
  expect(again.stdout).toContain('everything is already there');
  expect(manifestOn(site.mirror('oslo'))).toMatchObject({ sequence: 3, rollout: { steps: [] } });
  const other = await site.release(['rollout', '1.0.0', '--steps', 'all']);
  expect(other).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('1.0.0 is not the current release') as string,
  });
  expect(await node.updater(['once'])).toMatchObject({ code: 0 });
  expect(node.page()).toContain('two');
  expect(readFileSync(join(node.state, 'node-id'), 'utf8')).toBe(id);
});
