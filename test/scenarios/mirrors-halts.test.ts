/** What is halted, on mirrors: who lags is told, completed, and never spreads one of two. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { publicKeyBase64 } from '@landfall/minisign';
import { expect, it } from 'vitest';
import { type Outcome, runCommand } from '../harness/command.ts';
import { putHalt } from '../harness/halts.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { mirrorFolder, put, smallRelease } from '../harness/mirror-folder.ts';

const PATH = 'releases/halt.json';

it('is completed from the mirror that has the newest, and damage is named until then', async () => {
  const key = testKey();
  const ends = new Date(Date.now() + 86_400_000).toISOString().replace(/\.\d+Z$/, 'Z');
  const release = smallRelease([key], 4, (manifest) => (manifest.expires = ends));
  const folders = [
    mirrorFolder(release),
    mirrorFolder(release),
    mirrorFolder(release),
    mirrorFolder(release),
  ];
  const [newest = '', old = '', damaged = '', none = ''] = folders;
  putHalt(newest, key, { serial: 2 });
  putHalt(old, key, { serial: 1, halted: [] });
  putHalt(damaged, key, { serial: 2 });
  put(damaged, PATH, '{}');
  const whom = ['--app', 'archipelago', '--key', publicKeyBase64(key.publicKey)];
  const mirrors = (...args: string[]): Promise<Outcome> =>
    runCommand('mirrors', [...args, ...folders.flatMap((each) => ['--mirror', each]), ...whom]);

  const status = await mirrors('status');
  expect(status.code).toBe(1);
  expect(status.stdout).toContain('halted: 1.7.41-alpha: answers 500');
  expect(status.stdout).toContain(
    'is behind with what is halted: expected serial 2, found serial 1',
  );
  expect(status.stdout).toContain('is behind with what is halted: expected serial 2, found none');
  expect(status.stdout).toContain(
    'its halt file cannot be believed, so nodes take nothing from it',
  );
  const audit = JSON.parse((await mirrors('audit', '--json')).stdout) as {
    findings: { code: string; fix: string }[];
  };
  expect(audit.findings.map(({ code }) => code)).toEqual([
    'HALT_STALE',
    'HALT_INVALID',
    'HALT_STALE',
  ]);
  expect(audit.findings[0]?.fix).toMatch(/^mirrors sync --to /);
  expect((await mirrors('doctor')).stdout).toContain('It does not say all that is halted');

  const sync = await mirrors('sync', '--json');
  expect(sync.code).toBe(0);
  const wrote = 'what is halted in the default channel';
  const rows = (JSON.parse(sync.stdout) as { mirrors: object[] }).mirrors;
  expect(rows).toMatchObject([
    { index: [] },
    { index: [wrote] },
    { index: [wrote] },
    { index: [wrote] },
  ]);
  for (const folder of [old, damaged, none]) {
    expect(readFileSync(join(folder, PATH))).toEqual(readFileSync(join(newest, PATH)));
  }
  expect(await mirrors('status')).toMatchObject({ code: 0 });

  putHalt(old, key, { serial: 2, halted: [] });
  const torn = await mirrors('sync');
  expect(torn).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('2 different halt files have serial 2') as string,
  });
  expect(await mirrors('audit')).toMatchObject({
    code: 3,
    stdout: expect.stringMatching(/alarm +HALT_EQUIVOCATION +2 different halt files/) as string,
  });
});
