/** Deltas on mirrors: copied, counted, missed and removed as the artifacts that they lead to. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publicKeyBase64, type SecretKey } from '@landfall/minisign';
import { expect, it } from 'vitest';
import { type Outcome, runCommand } from '../harness/command.ts';
import { testKey } from '../harness/minisign-keys.ts';
import {
  fillMirror,
  mirrorFolder,
  put,
  type SmallRelease,
  smallRelease,
} from '../harness/mirror-folder.ts';
import { sha256 } from '../harness/signed-manifests.ts';

const FOLDER = 'releases/download/v1.0.4';
const DELTA = 'web-ui-1.0.4.from-1.0.3.delta';
const FUTURE = 'web-ui-1.0.4.from-1.0.2.delta2';

/** A release with a delta, and with one of a format that nobody knows yet. */
function withDeltas(key: SecretKey): SmallRelease {
  return smallRelease([key], 4, (manifest) => {
    manifest.expires = '2099-01-01T00:00:00Z';
    const common = { from: { version: '1.0.3', digest: '7'.repeat(64) } };
    manifest.components[0]!.artifacts[0]!.deltas = [
      { ...common, file: DELTA, size: 5, sha256: sha256(Buffer.from('delta')), format: 1 },
      { file: FUTURE, size: 6, sha256: sha256(Buffer.from('future')), format: 2 },
      { format: 3, pieces: ['no file that could be copied'] },
    ];
  });
}

async function run(
  key: SecretKey,
  command: string,
  folders: readonly string[],
  ...args: readonly string[]
): Promise<Outcome> {
  const given = folders.flatMap((each) => ['--mirror', each]);
  const whom = ['--app', 'archipelago', '--key', publicKeyBase64(key.publicKey)];
  return runCommand('mirrors', [command, ...given, ...whom, '--json', ...args]);
}

it('are copied, counted, missed and removed as artifacts are', async () => {
  const key = testKey();
  const mirrors = (command: string, folders: readonly string[], ...args: readonly string[]) =>
    run(key, command, folders, ...args);
  const whole = mirrorFolder(withDeltas(key));
  put(whole, `${FOLDER}/${DELTA}`, 'delta');
  put(whole, `${FOLDER}/${FUTURE}`, 'future');
  const empty = mirrorFolder();
  const synced = JSON.parse((await mirrors('sync', [whole, empty])).stdout);
  expect(synced.mirrors[1]).toMatchObject({ state: 'completed', sent: 3 });
  for (const [file, content] of [
    [DELTA, 'delta'],
    [FUTURE, 'future'],
  ] as const) {
    expect(readFileSync(join(empty, FOLDER, file), 'utf8')).toBe(content);
  }

  rmSync(join(whole, FOLDER, DELTA));
  writeFileSync(join(empty, FOLDER, FUTURE), 'FUTURE');
  const status = JSON.parse((await mirrors('status', [whole, empty])).stdout);
  expect(status.mirrors[0]).toMatchObject({ good: false, assets: { total: 3, missing: [DELTA] } });
  const audited = await mirrors('audit', [whole, empty]);
  expect(audited.code).toBe(1);
  expect(JSON.parse(audited.stdout).findings).toMatchObject([
    { code: 'ARTIFACT_MISSING', message: expect.stringContaining(DELTA) },
    { code: 'ARTIFACT_WRONG', message: expect.stringContaining(FUTURE) },
  ]);

  // Each has what the other lacks.
  const mended = JSON.parse((await mirrors('sync', [whole, empty])).stdout);
  expect(mended.mirrors.map(({ sent }: { sent: number }) => sent)).toEqual([1, 1]);
  expect(JSON.parse((await mirrors('audit', [whole, empty])).stdout).findings).toEqual([]);

  fillMirror(
    whole,
    smallRelease([key], 5, (manifest) => (manifest.expires = '2099-01-01T00:00:00Z')),
  );
  await mirrors('prune', [whole], '--keep', '1');
  expect(existsSync(join(whole, FOLDER))).toBe(false);
});
