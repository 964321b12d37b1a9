/** Two machines publish at the same time: what the one has published is not lost by the other. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseManifest } from '@landfall/manifest';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Outcome } from '../harness/command.ts';
import { startFaultyMirror } from '../harness/faulty-mirror.ts';
import { useGiteaProject } from '../harness/gitea-project.ts';
import { runGit } from '../harness/gitea-stand-in/state.ts';
import { expectComplete, manifestOn, unplug } from '../harness/mirror-content.ts';
import { makeMirror, type Project, useProject } from '../harness/project.ts';
import { holdUp, secondMachine, whileHeldUp } from '../harness/second-machine.ts';

/** A project with two releases out, whose next build is held up. */
async function publishedTwice(): Promise<Project> {
  const site = await useProject();
  for (const version of ['0.1.0', '0.2.0']) {
    expect(await site.release(['ship', version])).toMatchObject({ code: 0 });
  }
  holdUp(site.config);
  site.writeConfig();
  return site;
}

const sequencesOf = (site: Project): (number | undefined)[] =>
  site.mirrors.map(({ directory }) => manifestOn(directory)?.sequence);

function expectSuperseded(outcome: Outcome, words: string): void {
  expect(outcome.stderr).toContain(words);
  expect(outcome.stderr).toContain('run it again: it is decided anew');
  expect(outcome.code).toBe(1);
}

describe('a release whose build takes long', () => {
  it('takes back no withdrawal that was published meanwhile', async () => {
    const site = await publishedTwice();
    const elsewhere = secondMachine(site);
    // The same bytes whenever it is built.
    const env = { SOURCE_DATE_EPOCH: '1776884400' };
    const meanwhile = async (): Promise<void> => {
      const withdraw = ['withdraw', '0.2.0', '--reason', 'eats data'];
      expect(await elsewhere(withdraw)).toMatchObject({ code: 0 });
      expect(await elsewhere(['renew'])).toMatchObject({ code: 0 });
    };
    const outcome = await whileHeldUp(site, ['ship', '0.3.0'], meanwhile, env);
    expectSuperseded(
      outcome,
      'somebody else has published 0.1.0 meanwhile: expected sequence 2 at most, found sequence 4',
    );
    expect(sequencesOf(site)).toEqual([4, 4, 4]);
    expect(manifestOn(site.mirror('lima'))?.withdrawn).toEqual(['0.2.0']);
    // The artifacts stay, and the hint holds.
    const artifact = 'releases/download/v0.3.0/web-ui-0.3.0.tar.zst';
    expect(readFileSync(join(site.mirror('kyoto'), artifact)).length).toBeGreaterThan(0);
    const again = await site.release(['ship', '0.3.0']);
    expect(again.stderr).toContain("remove '.release/0.3.0' and ship it again");
    rmSync(join(site.directory, '.release/0.3.0'), { recursive: true });
    writeFileSync(join(site.directory, 'go'), '');
    expect(await site.release(['ship', '0.3.0'], { env })).toMatchObject({ code: 0 });
    expectComplete(site, '0.3.0');
    expect(manifestOn(site.mirror('oslo'))).toMatchObject({ sequence: 5, withdrawn: ['0.2.0'] });
  });

  it('stops when one mirror shows another manifest of its sequence, and writes none', async () => {
    const site = await publishedTwice();
    const elsewhere = secondMachine(site);
    const outcome = await whileHeldUp(site, ['ship', '0.3.0'], async () => {
      const back = [unplug(site.mirror('oslo')), unplug(site.mirror('lima'))];
      expect(await elsewhere(['ship', '0.2.5', '--quorum', '1'])).toMatchObject({ code: 4 });
      for (const plugIn of back) plugIn();
    });
    expectSuperseded(
      outcome,
      "mirror 'kyoto': somebody else has published 0.2.5 meanwhile: expected sequence 2 at most, found sequence 3",
    );
    expect(sequencesOf(site)).toEqual([2, 2, 3]);
    expect(manifestOn(site.mirror('oslo'))?.version).toBe('0.2.0');
  });

  it('is written over what lags, is damaged or is signed by nobody', async () => {
    const site = await publishedTwice();
    const outcome = await whileHeldUp(site, ['ship', '0.3.0'], async () => {
      const stranger = await useProject({ mirrors: ['theirs'] });
      expect(await stranger.release(['ship', '9.9.9'])).toMatchObject({ code: 0 });
      for (const ending of ['', '.minisig']) {
        const path = `releases/manifest.json${ending}`;
        const theirs = readFileSync(join(stranger.mirror('theirs'), path));
        writeFileSync(join(site.mirror('oslo'), path), theirs);
      }
      rmSync(site.mirror('lima'), { recursive: true });
      makeMirror(site.mirror('lima'));
      writeFileSync(join(site.mirror('kyoto'), 'releases/manifest.json'), 'x'.repeat(2_000_000));
    });
    expect([outcome.code, outcome.stderr]).toEqual([0, expect.any(String)]);
    expect(sequencesOf(site)).toEqual([3, 3, 3]);
  });
});

describe('a release to Gitea and a folder', () => {
  it('is not pushed on top of another that was published meanwhile', async () => {
    const fleet = await useGiteaProject(['one', 'two', 'three'], {
      configure: holdUp,
    });
    const { project, env, servers } = fleet;
    const folder = join(project.root, 'folder');
    makeMirror(folder);
    project.config.mirrors.push({ type: 'directory', name: 'folder', path: folder });
    project.writeConfig();
    const first = await whileHeldUp(project, ['ship', '0.1.0'], async () => undefined, env);
    expect(first).toMatchObject({ code: 0 });
    const elsewhere = secondMachine(project, env);
    const outcome = await whileHeldUp(
      project,
      ['ship', '0.2.0'],
      async () => expect(await elsewhere(['ship', '0.2.1'])).toMatchObject({ code: 0 }),
      env,
    );
    expectSuperseded(
      outcome,
      'somebody else has published 0.2.1 meanwhile: expected sequence 1 at most, found sequence 2',
    );
    const path = 'releases/manifest.json';
    for (const server of servers.values()) {
      const { git } = server.repository();
      const bytes = Buffer.from(`${runGit(git, ['show', `refs/heads/main:${path}`])}\n`);
      expect(parseManifest(bytes)).toMatchObject({ version: '0.2.1', sequence: 2 });
    }
    expect(manifestOn(folder)).toMatchObject({ version: '0.2.1', sequence: 2 });
    expect(await fleet.release(['verify'])).toMatchObject({ code: 0 });
  });
});

describe('a halt', () => {
  it('takes back no other that was published meanwhile', async () => {
    const site = await useProject();
    const oslo = site.mirror('oslo');
    const server = await startFaultyMirror(oslo);
    onTestFinished(() => server.stop());
    const [first] = site.config.mirrors;
    Object.assign(first ?? {}, { url: server.url });
    site.writeConfig();
    expect(await site.release(['ship', '1.0.0'])).toMatchObject({ code: 0 });
    const elsewhere = secondMachine(site);
    const theirs = ['halt', '1.0.0', '--reason', 'page is blank'];
    expect(await elsewhere(theirs)).toMatchObject({ code: 0 });
    const names = ['halt.json', 'halt.json.minisig'].map((name) => `releases/${name}`);
    const files = names.map((name) => [name, readFileSync(join(oslo, name))] as const);
    const eachFolder = (act: (folder: string) => void): void =>
      site.mirrors.forEach(({ directory }) => act(directory));
    eachFolder((folder) => names.forEach((name) => rmSync(join(folder, name))));
    // Read when the serial is decided on, and not yet signed.
    server.hooks.handled = (_, path) => {
      if (path !== '/releases/manifest.json') return;
      eachFolder((folder) =>
        files.forEach(([name, bytes]) => writeFileSync(join(folder, name), bytes)),
      );
    };
    const ours = ['halt', '0.9.0', '--reason', 'eats data'];
    expectSuperseded(
      await site.release(ours),
      'somebody else has published a halt file meanwhile: expected none, found serial 1',
    );
    for (const [name, bytes] of files) expect(readFileSync(join(oslo, name))).toEqual(bytes);
    const again = await site.release(ours);
    expect(again.stdout).toContain('serial 2');
    expect(again.stdout).toContain('halts 1.0.0 and 0.9.0');
    expect(again.code).toBe(0);
  });
});
