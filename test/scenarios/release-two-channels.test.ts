/** One version for two channels: it has one set of artifacts, whatever is in the project by then. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { publicKeyBase64 } from '@landfall/minisign';
import { expect, it } from 'vitest';
import { git } from '../harness/git.ts';
import { expectComplete, filesOf, manifestOn } from '../harness/mirror-content.ts';
import { type Project, useProject, writeWebUi } from '../harness/project.ts';
import { makeBo } from '../harness/two-people.ts';

const WEB_UI = '.release/1.0.0/web-ui-1.0.0.tar.zst';

function commit(site: Project): string {
  site.write('.gitignore', '.release/\nkeys/\n');
  git(site.directory, 'init', '--quiet');
  git(site.directory, 'add', '.');
  git(site.directory, 'commit', '--quiet', '-m', 'an edition');
  return git(site.directory, 'rev-parse', 'HEAD');
}

it('is of the commit that it was built from, on the second channel too', async () => {
  const site = await useProject();
  const first = commit(site);
  expect(await site.release(['ship', '--channel', 'beta'])).toMatchObject({ code: 0 });
  writeWebUi(site, 'two');
  expect(commit(site)).not.toBe(first);
  // Also when the folder lost an artifact since: a mirror has it.
  rmSync(join(site.directory, WEB_UI));
  expect(await site.release(['ship'])).toMatchObject({ code: 0 });
  expect(manifestOn(site.mirror('oslo'))?.commit).toBe(first);
  const verified = await site.release(['verify']);
  expect(verified.code, verified.stdout).toBe(0);
});

it('is promoted where it was built anew by mistake, as the refusal says', async () => {
  const site = await useProject();
  expect(await site.release(['ship', '--channel', 'beta'])).toMatchObject({ code: 0 });
  rmSync(join(site.directory, '.release'), { recursive: true });
  writeWebUi(site, 'two');
  for (const args of [['ship'], ['promote', '--from', 'beta']]) {
    const refused = await site.release(args);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain("remove '.release/1.0.0' here and 'release promote' it");
  }
  rmSync(join(site.directory, '.release/1.0.0'), { recursive: true });
  expect(await site.release(['promote', '--from', 'beta'])).toMatchObject({ code: 0 });
  expectComplete(site, '1.0.0');
});

it('is not built over while it waits for signatures of the other channel', async () => {
  const site = await useProject();
  const bo = await makeBo(site);
  site.config.keys.public = [site.publicKey, publicKeyBase64(bo.key.publicKey)];
  site.config.keys.threshold = 2;
  site.writeConfig();
  expect(await site.release(['ship', '--channel', 'beta'])).toMatchObject({ code: 3 });
  const made = filesOf(join(site.directory, '.release/1.0.0'));
  writeWebUi(site, 'two');
  expect(await site.release(['ship'])).toMatchObject({ code: 3 });
  expect(filesOf(join(site.directory, '.release/1.0.0'))).toEqual(made);
  const toSign = join(site.directory, '.release/to-sign');
  for (const name of readdirSync(toSign)) {
    expect(await bo.sign(join(toSign, name, 'manifest.json'))).toMatchObject({ code: 0 });
  }
  expect(await site.release(['ship', '--channel', 'beta'])).toMatchObject({ code: 0 });
  expect(await site.release(['ship'])).toMatchObject({ code: 0 });
  expectComplete(site, '1.0.0');
});

it('can be begun anew when its artifacts are lost before anybody has them', async () => {
  const site = await useProject();
  const bo = await makeBo(site);
  site.config.keys.public = [site.publicKey, publicKeyBase64(bo.key.publicKey)];
  site.config.keys.threshold = 2;
  site.writeConfig();
  await site.release(['ship', '--channel', 'beta']);
  rmSync(join(site.directory, '.release/1.0.0'), { recursive: true });
  const folders = "'.release/to-sign/beta-1-1.0.0'";
  expect((await site.release(['build'])).stderr).toContain(`that folder and ${folders} if the`);
  const lost = await site.release(['ship']);
  expect(lost.code).toBe(3);
  expect(lost.stderr).toContain(`remove '.release/1.0.0' and ${folders}`);
  rmSync(join(site.directory, '.release/to-sign/beta-1-1.0.0'), { recursive: true });
  const anew = await site.release(['ship']);
  expect(anew.code).toBe(3);
  expect(anew.stdout).toContain('waits for 1 more signature');
});
