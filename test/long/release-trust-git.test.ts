/** Root documents on mirrors that keep their index in git, and what is found in its history after a rotation. */
import { execFileSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { generateKeyPair } from '@landfall/minisign';
import { expect, it } from 'vitest';
import type { Outcome } from '../harness/command.ts';
import { contentsOf, useGiteaProject } from '../harness/gitea-project.ts';
import { writeKey } from '../harness/two-people.ts';

it('git mirrors get root documents in the commit that they share', async () => {
  const gitea = await useGiteaProject(['oslo', 'lima']);
  const site = gitea.project;
  const release = (args: readonly string[]): Promise<Outcome> => gitea.release(args);
  const headOf = (name: string): string | undefined => contentsOf(gitea.server(name)).head;
  await writeKey(join(site.directory, 'keys'), 'root', generateKeyPair());
  const addMine = async (version: number): Promise<void> => {
    const file = `trust/root-${version}.json`;
    expect(await release(['sign', file, '--key', 'keys/root.key'])).toMatchObject({ code: 0 });
  };
  expect(await release(['trust', 'init', '--root-key', 'keys/root.pub'])).toMatchObject({
    code: 0,
  });
  await addMine(1);
  site.config.keys = { secret: ['keys/release.key'], root: 'trust' };
  site.writeConfig();
  expect(await release(['ship'])).toMatchObject({ code: 0 });
  expect(await release(['trust', 'rotate', '--expires', '20'])).toMatchObject({ code: 0 });
  await addMine(2);
  expect(await release(['trust', 'publish'])).toMatchObject({ code: 0 });
  const head = headOf('oslo');
  expect(headOf('lima')).toBe(head);
  const { git } = gitea.server('lima').repository();
  const listed = execFileSync('git', [
    `--git-dir=${git}`,
    'ls-tree',
    '-r',
    '--name-only',
    head ?? '',
  ]);
  expect(listed.toString().trim().split('\n')).toEqual([
    'provenance/1.0.0.json',
    'provenance/1.0.0.json.minisig',
    'releases/head.json',
    'releases/manifest.json',
    'releases/manifest.json.minisig',
    'trust/root-1.json',
    'trust/root-1.json.minisig',
    'trust/root-2.json',
    'trust/root-2.json.minisig',
  ]);
  // Nothing is left to do, and the end that comes near is said.
  const again = await release(['ship']);
  expect(again).toMatchObject({ code: 0 });
  expect(again.stderr).toContain('note: root document 2 ends in 19 days');
  expect(headOf('oslo')).toBe(head);
  // A last good release that only the history of the index has: it is found by its digest.
  const good = join(site.root, 'manifest.json');
  for (const ending of ['', '.minisig']) {
    cpSync(join(site.directory, `.release/1.0.0/manifest.json${ending}`), `${good}${ending}`);
  }
  expect(await release(['renew'])).toMatchObject({ code: 0 });
  await writeKey(join(site.directory, 'keys'), 'second', generateKeyPair());
  const rotate = ['trust', 'rotate', '--drop', site.publicKey, '--key', 'keys/second.pub'];
  expect(await release([...rotate, '--floor', `stable=${good}`])).toMatchObject({ code: 0 });
  await addMine(3);
  site.config.keys.secret = ['keys/second.key'];
  site.writeConfig();
  rmSync(join(site.directory, '.release'), { recursive: true });
  const renewed = await release(['renew', '--json']);
  expect(JSON.parse(renewed.stdout)).toMatchObject({ version: '1.0.0', sequence: 2, complete: 2 });
});
