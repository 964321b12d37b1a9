/** Pinning what runs as the last resort changes nothing of what runs. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeServiceSite } from '../harness/service-site.ts';

describe('what runs, pinned while it shares its program with the release before', () => {
  it("still passes, and its program is no other release's any more", async () => {
    const { node, shipServer, pid } = await makeServiceSite();
    const ids: string[] = [];
    for (const version of ['1.0.0', '1.1.0']) {
      await shipServer(version, '1.0.0');
      expect(await node.updater(['apply'])).toMatchObject({ code: 0 });
      ids.push(node.current() ?? '');
    }
    const inodes = (): number[] =>
      ids.map((id) => statSync(join(node.root, 'deployments', id, 'server')).ino);
    const [before, same] = inodes();
    expect(same).toBe(before);
    const process = pid();
    expect(await node.updater(['golden', '1.1.0'])).toMatchObject({ code: 0 });
    const [other, pinned] = inodes();
    expect(other).not.toBe(pinned);
    expect(pid()).toBe(process);
    const verified = await node.updater(['verify']);
    expect(verified, verified.stdout).toMatchObject({ code: 0 });
  });
});
