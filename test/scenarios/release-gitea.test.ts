/** `release ship` to Gitea servers: the same commit everywhere, whatever goes wrong on the way. */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { generateKeyPair } from '@landfall/minisign';
import { describe, expect, it } from 'vitest';
import { git as runGit } from '../harness/git.ts';
import { contentsOf, type GiteaProject, useGiteaProject } from '../harness/gitea-project.ts';
import { writeWebUi } from '../harness/project.ts';
import { temporaryFolder } from '../harness/temporary.ts';
import { writeKey } from '../harness/two-people.ts';

const NAMES = ['north', 'south', 'west'];

/** All servers hold the same head and the same assets, each once; the releases are public. */
function expectSame(site: GiteaProject, releases: readonly string[]): void {
  const [first, ...others] = [...site.servers.values()].map((server) => contentsOf(server));
  expect(first?.head).toMatch(/^[0-9a-f]{40}$/);
  expect(Object.keys(first?.assets ?? {}).toSorted()).toEqual(releases);
  for (const names of Object.values(first?.assets ?? {})) {
    expect(names.map((name) => name.replace(/-\d.*/, ''))).toEqual(['server', 'web-ui']);
  }
  for (const other of others) expect(other).toEqual(first);
}

describe('shipping to Gitea', () => {
  it('puts the same commit and one of each asset on every server, read back without a token', async () => {
    const site = await useGiteaProject(NAMES);
    const shipped = await site.release(['ship']);
    expect(shipped.code).toBe(0);
    expectSame(site, ['v1.0.0']);
    const { url, requests } = site.server('north');
    const read = requests.filter(({ url: path }) => path.includes('/releases/download/v1.0.0/'));
    expect(read.length).toBeGreaterThanOrEqual(2);
    expect(read.every(({ authorization }) => authorization === undefined)).toBe(true);
    const index = `${url}/isles/archipelago/raw/branch/main/releases/manifest.json`;
    expect(JSON.parse(await (await fetch(index)).text())).toMatchObject({ version: '1.0.0' });
    expect(await site.release(['verify'])).toMatchObject({ code: 0 });
  });

  it('makes the index one commit on top of another', async () => {
    const site = await useGiteaProject(NAMES);
    await site.release(['ship']);
    writeWebUi(site.project, 'two');
    expect(await site.release(['ship', '1.1.0'])).toMatchObject({ code: 0 });
    expectSame(site, ['v1.0.0', 'v1.1.0']);
    const { git } = site.server('south').repository();
    const log = execFileSync('git', [`--git-dir=${git}`, 'log', '--format=%s', 'main'], {
      encoding: 'utf8',
    });
    expect(log.trim().split('\n').slice(0, 2)).toEqual([
      'Release archipelago 1.1.0 (channel stable, sequence 2)',
      'Release archipelago 1.0.0 (channel stable, sequence 1)',
    ]);
  });

  it('keeps what is halted, also when the branch that is ahead has lost it', async () => {
    const site = await useGiteaProject(NAMES);
    await site.release(['ship']);
    expect(await site.release(['halt', '1.0.0', '--reason', 'bad'])).toMatchObject({ code: 0 });
    const { git: south } = site.server('south').repository();
    const work = temporaryFolder();
    execFileSync('git', ['clone', '--quiet', '--branch', 'main', south, work]);
    runGit(work, 'rm', '--quiet', 'releases/halt.json', 'releases/head.json');
    runGit(work, 'commit', '--quiet', '-m', 'Nothing is halted');
    runGit(work, 'push', '--quiet', 'origin', 'main');
    writeWebUi(site.project, 'two');
    expect(await site.release(['ship', '1.1.0'])).toMatchObject({ code: 0 });
    expectSame(site, ['v1.0.0', 'v1.1.0']);
    const { url } = site.server('north');
    const halt = await fetch(`${url}/isles/archipelago/raw/branch/main/releases/halt.json`);
    expect(await halt.json()).toMatchObject({ serial: 1, halted: [{ version: '1.0.0' }] });
  });

  it('goes on when a server is down, and completes it later with the same commit', async () => {
    const site = await useGiteaProject(NAMES);
    await site.server('south').stop();
    const partial = await site.release(['ship']);
    expect(partial.code).toBe(4);
    expect(partial.stdout).toContain('is on 2 of 3 mirrors');
    const { head } = contentsOf(site.server('north'));
    await site.server('south').start();
    expect(await site.release(['ship', '1.0.0'])).toMatchObject({ code: 0 });
    expectSame(site, ['v1.0.0']);
    expect(contentsOf(site.server('south')).head).toBe(head);
  });

  it('completes from another machine, where nothing of it is known', async () => {
    const site = await useGiteaProject(NAMES);
    await site.server('south').stop();
    await site.release(['ship']);
    await site.server('south').start();
    rmSync(join(site.project.directory, '.release'), { recursive: true });
    rmSync(join(site.project.directory, 'dist'), { recursive: true });
    expect(await site.release(['ship', '1.0.0'])).toMatchObject({ code: 0 });
    expectSame(site, ['v1.0.0']);
  });

  it('leaves one asset of each name when answers to uploads are lost', async () => {
    const site = await useGiteaProject(NAMES);
    site.server('west').rules.push({
      method: 'POST',
      path: /\/assets\?/,
      times: 1,
      fault: { kind: 'drop-after' },
    });
    const first = await site.release(['ship']);
    expect([0, 4]).toContain(first.code);
    expect(await site.release(['ship'])).toMatchObject({ code: 0 });
    expectSame(site, ['v1.0.0']);
  });

  it('removes second copies that somebody left, and keeps the good one', async () => {
    const site = await useGiteaProject(NAMES);
    const killed = await site.release(['ship'], { env: { LANDFALL_CRASH_AT: 'ship-uploaded' } });
    expect(killed.signal).toBe('SIGKILL');
    const server = site.server('north');
    const [release] = server.repository().releases;
    const form = new FormData();
    form.append('attachment', new Blob(['not it']), 'web-ui-1.0.0.tar.zst');
    const answer = await fetch(
      `${server.url}/api/v1/repos/isles/archipelago/releases/${release?.id}/assets?name=web-ui-1.0.0.tar.zst`,
      { method: 'POST', body: form, headers: { authorization: `token ${server.token}` } },
    );
    expect(answer.status).toBe(201);
    const shipped = await site.release(['ship']);
    expect(shipped.code).toBe(0);
    expectSame(site, ['v1.0.0']);
  });

  it.each([
    ['a page of HTML with 200', { kind: 'html' } as const],
    ['other bytes', { kind: 'wrong-bytes' } as const],
    ['half of it', { kind: 'truncate' } as const],
    ['502', { kind: 'status', status: 502 } as const],
  ])('gives no index to a server that answers downloads with %s', async (_, fault) => {
    const site = await useGiteaProject(NAMES);
    site.server('west').rules.push({ method: 'GET', path: /^\/attachments\//, fault });
    const partial = await site.release(['ship']);
    expect(partial.code).toBe(4);
    expect(partial.stdout).toMatch(/^west: /m);
    const { git } = site.server('west').repository();
    const files = execFileSync('sh', ['-c', `git --git-dir='${git}' ls-tree -r main || true`], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(files).not.toContain('manifest.json');
    site.server('west').rules.length = 0;
    expect(await site.release(['ship'])).toMatchObject({ code: 0 });
    expectSame(site, ['v1.0.0']);
  });

  it('does not count a server whose index cannot be read back', async () => {
    const site = await useGiteaProject(NAMES);
    const path = /\/raw\/branch\/main\/releases\/manifest\.json$/;
    site.server('west').rules.push({ method: 'GET', path, fault: { kind: 'status', status: 404 } });
    const partial = await site.release(['ship']);
    expect(partial.code).toBe(4);
    expect(partial.stdout).toContain('is on 2 of 3 mirrors');
    expect(partial.stdout).toContain(
      'west: does not serve the index that was written: expected 1.0.0 (sequence 1), found none',
    );
    site.server('west').rules.length = 0;
    expect(await site.release(['ship'])).toMatchObject({ code: 0 });
    expectSame(site, ['v1.0.0']);
  });

  it('does not count a server that serves the index without what was pushed with it', async () => {
    const site = await useGiteaProject([...NAMES, 'east'], {
      configure: (config) => void (config.quorum = 2),
    });
    const { directory, config } = site.project;
    await writeKey(join(directory, 'keys'), 'root', generateKeyPair());
    for (const args of [
      ['trust', 'init', '--root-key', 'keys/root.pub'],
      ['sign', 'trust/root-1.json', '--key', 'keys/root.key'],
    ])
      expect(await site.release(args)).toMatchObject({ code: 0 });
    config.keys = { secret: ['keys/release.key'], root: 'trust' };
    site.project.writeConfig();
    const lost = { kind: 'status', status: 404 } as const;
    site.server('west').rules.push({ path: /\/main\/trust\/root-1\.json$/, fault: lost });
    site.server('east').rules.push({ path: /\/main\/provenance\/1\.0\.0\.json$/, fault: lost });
    const partial = await site.release(['ship']);
    expect(partial.code, partial.stderr).toBe(4);
    expect(partial.stdout).toContain('is on 2 of 4 mirrors');
    for (const line of [
      "west: does not serve the 'trust/root-1.json' that was written",
      'east: does not serve how 1.0.0 was built: expected what was written, found nothing',
    ])
      expect(partial.stdout).toContain(line);
    for (const name of ['west', 'east']) site.server(name).rules.length = 0;
    expect(await site.release(['ship'])).toMatchObject({ code: 0 });
    expectSame(site, ['v1.0.0']);
  });

  it('never pushes an index that names what a server lacks in another channel', async () => {
    const site = await useGiteaProject(NAMES);
    await site.release(['ship', '1.0.0']);
    await site.server('south').stop();
    writeWebUi(site.project, 'beta');
    expect(await site.release(['ship', '1.1.0-beta', '--channel', 'beta'])).toMatchObject({
      code: 4,
    });
    await site.server('south').start();
    const before = contentsOf(site.server('south')).head;
    writeWebUi(site.project, 'next');
    const partial = await site.release(['ship', '1.1.0']);
    expect(partial.code).toBe(4);
    expect(partial.stdout).toContain(
      "lacks 'web-ui-1.1.0-beta.tar.zst' of 1.1.0-beta (channel beta)",
    );
    expect(partial.stdout).toContain('first run: release ship 1.1.0-beta --channel beta');
    expect(contentsOf(site.server('south')).head).toBe(before);
    expect(await site.release(['ship', '1.1.0-beta', '--channel', 'beta'])).toMatchObject({
      code: 0,
    });
    expect(await site.release(['ship', '1.1.0'])).toMatchObject({ code: 0 });
    expectSame(site, ['v1.0.0', 'v1.1.0', 'v1.1.0-beta']);
  });

  it('tells a token that may not push from a server that is down', async () => {
    const site = await useGiteaProject(NAMES);
    const failed = await site.release(['ship'], { env: { GITEA_TOKEN: 'wrong'.repeat(8) } });
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('too few mirrors: expected at least 2 of 3');
    expect(failed.stderr).toContain('token');
    expect(failed.stderr).not.toContain('wrongwrong');
  });
});
