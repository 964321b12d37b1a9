/** Every file of the state folder, cut short at every length: never taken for whole, and never for absent where that would matter. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { contentDigest, deploymentId } from '@landfall/manifest';
import { describe, expect, it } from 'vitest';
import { toContent } from '../../../updater/deployments.ts';
import type { Deployment } from '../../../updater/facts.ts';
import { pathsOf, type Paths } from '../../../updater/paths.ts';
import { readAdoption, writeAdoption } from '../../../updater/records/adoption-file.ts';
import { raiseFloor, writeFloorFile, NO_FLOORS } from '../../../updater/records/floor-file.ts';
import { readHealFile, writeHealFile } from '../../../updater/records/heal-file.ts';
import { readInventory, writeInventory } from '../../../updater/records/inventory-file.ts';
import { readLastCheck, writeLastCheck } from '../../../updater/records/last-check-file.ts';
import { Store } from '../../../updater/records/store.ts';
import { errorOf } from '../../harness/errors.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

const AT = '2026-04-22T19:00:00.000Z';
const COMPONENTS = [
  {
    name: 'web-ui',
    kind: 'tree' as const,
    artifact: { platform: 'any', file: 'web-ui.tar.zst', size: 3, sha256: 'a'.repeat(64) },
    entries: [
      { path: '.', type: 'directory' as const, mode: 0o755, size: 0, sha256: '' },
      { path: 'ü.html', type: 'file' as const, mode: 0o644, size: 1, sha256: 'b'.repeat(64) },
    ],
  },
];
const digest = contentDigest(COMPONENTS.map(toContent));
const DEPLOYMENT: Deployment = {
  id: deploymentId('1.0.0', digest),
  version: '1.0.0',
  digest,
  sequence: 1,
};

/** A state folder in which every file stands. */
function everything(): Paths {
  const folder = temporaryFolder();
  const paths = pathsOf(join(folder, 'root'), join(folder, 'state'));
  mkdirSync(paths.state);
  const store = new Store(paths, { preserve: false });
  store.saveState({ name: 'committed', running: { deployment: DEPLOYMENT, since: AT } });
  store.quarantineRelease({ deployment: DEPLOYMENT, reason: 'status 500' }, AT);
  store.writeMarker({ to: DEPLOYMENT, phase: 'switched', attempt: 1 }, 1000);
  const manifest = { app: 'a', channel: 'stable', sequence: 1, published: AT };
  const seen = { manifest, sha256: 'c'.repeat(64) } as Parameters<typeof raiseFloor>[2];
  writeFloorFile(paths.floor, raiseFloor(NO_FLOORS, 'releases/manifest.json', seen, AT));
  writeLastCheck(paths.lastCheck, { at: AT, problems: [], mirrors: 1 });
  writeHealFile(paths.healFile, { ...readHealFile(paths.healFile, 'x'), full: AT });
  writeInventory(paths, { deployment: DEPLOYMENT, components: COMPONENTS });
  writeAdoption(paths, {
    schema: 1,
    deployment: DEPLOYMENT,
    places: [{ component: 'web-ui', source: '/opt/a', kept: '/opt/b' }],
    how: 'exchange',
    began: AT,
  });
  return paths;
}

/** Runs `look` with the file at `path` cut to every length that is not the whole of it. */
async function atEveryLength(path: string, look: (length: number) => unknown): Promise<void> {
  const whole = readFileSync(path);
  for (let length = 0; length < whole.length - 1; length += 1) {
    writeFileSync(path, whole.subarray(0, length));
    await look(length);
  }
  writeFileSync(path, whole);
  expect(whole.length).toBeGreaterThan(50);
}

describe('cut short at every length', () => {
  it.each(['stateFile', 'floor', 'quarantine', 'marker'] as const)(
    '%s closes the node for updates',
    async (name) => {
      const paths = everything();
      await atEveryLength(paths[name], (length) => {
        const store = new Store(paths, { preserve: false });
        expect(store.corrupt, `${length} bytes`).toMatchObject([{ kept: paths[name] }]);
      });
      expect(new Store(paths, { preserve: false }).corrupt).toEqual([]);
    },
  );

  it('what nothing is decided from is as good as none', async () => {
    const paths = everything();
    await atEveryLength(paths.lastCheck, () => {
      expect(readLastCheck(paths.lastCheck)).toBeUndefined();
    });
    await atEveryLength(paths.healFile, () => {
      expect(readHealFile(paths.healFile, 'x').full).toBeUndefined();
    });
    expect(readHealFile(paths.healFile, 'x').full).toBe(AT);
    await atEveryLength(join(paths.inventories, `${DEPLOYMENT.id}.json`), () => {
      expect(readInventory(paths, DEPLOYMENT)).toBeUndefined();
    });
    expect(readInventory(paths, DEPLOYMENT)?.components).toEqual(COMPONENTS);
    expect(readInventory(paths, { ...DEPLOYMENT, digest: 'd'.repeat(64) })).toBeUndefined();
  });

  it('an inventory that was read before is not taken for the one that is there now', () => {
    const paths = everything();
    const path = join(paths.inventories, `${DEPLOYMENT.id}.json`);
    const [whole, other] = [readFileSync(path), `${path}.other`];
    expect(readInventory(paths, DEPLOYMENT)?.components).toEqual(COMPONENTS);
    // As long as it was, and another file, as all that is written durably is.
    writeFileSync(other, Buffer.alloc(whole.length, ' '));
    renameSync(other, path);
    expect(readInventory(paths, DEPLOYMENT)).toBeUndefined();
    writeFileSync(other, whole);
    renameSync(other, path);
    expect(readInventory(paths, DEPLOYMENT)?.components).toEqual(COMPONENTS);
    rmSync(path);
    expect(readInventory(paths, DEPLOYMENT)).toBeUndefined();
  });

  it('an adoption is refused, not forgotten', async () => {
    const paths = everything();
    await atEveryLength(paths.adoption, async () => {
      expect(await errorOf(() => readAdoption(paths))).toMatchObject({ code: 'STATE_CORRUPT' });
    });
  });
});
