/** The steps of .gitea/workflows/release.yml, run as a runner would, in a project of its own. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { cleanEnvironment, launcherOf } from '../harness/command.ts';
import { useGiteaProject } from '../harness/gitea-project.ts';
import { type GiteaStandIn, startGiteaStandIn } from '../harness/gitea-stand-in/server.ts';
import { expectComplete, manifestOn, unplug } from '../harness/mirror-content.ts';
import { type Project, useProject } from '../harness/project.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const WORKFLOW = readFileSync(
  fileURLToPath(new URL('../../.gitea/workflows/release.yml', import.meta.url)),
  'utf8',
);

/** The script of the step with that name. */
function scriptOf(name: string): string {
  const step = WORKFLOW.split(/\n {6}- /).find((each) => each.startsWith(`name: ${name}\n`));
  const lines = step?.split(/\n {8}run: \|\n/)[1]?.split('\n') ?? [];
  if (lines.length === 0) throw new Error(`the workflow has no step '${name}'`);
  return lines.map((line) => line.slice(10)).join('\n');
}

interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a step in the project, with the commands on the path. */
function runStep(site: Project, name: string, env: Record<string, string> = {}): Promise<Ended> {
  const launchers = (['release', 'mirrors'] as const).map((each) => dirname(launcherOf(each)));
  const child = spawn('bash', ['-e', '-c', scriptOf(name)], {
    cwd: site.directory,
    env: {
      ...cleanEnvironment({ GITHUB_REF_NAME: 'v1.0.0', ...env }),
      PATH: [...launchers, process.env['PATH']].join(':'),
    },
  });
  const ended: Ended = { status: null, stdout: '', stderr: '' };
  child.stdout.on('data', (text: Buffer) => (ended.stdout += text.toString()));
  child.stderr.on('data', (text: Buffer) => (ended.stderr += text.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve({ ...ended, status }));
  });
}

async function checkout(): Promise<{ site: Project; key: string }> {
  const site = await useProject();
  const path = join(site.directory, 'keys/release.key');
  const key = readFileSync(path, 'utf8').trimEnd();
  const git = ['-c', 'user.name=dev', '-c', 'user.email=dev@example.test'];
  site.write('.gitignore', '.release/\nkeys/*.key\n');
  execFileSync('git', ['init', '--quiet'], { cwd: site.directory });
  execFileSync('git', ['add', '.'], { cwd: site.directory });
  execFileSync('git', [...git, 'commit', '--quiet', '-m', 'source'], { cwd: site.directory });
  execFileSync('rm', [path]);
  return { site, key };
}

describe('the workflow that ships on a tag', () => {
  it('puts the key where nobody else reads it and ships the tag', async () => {
    const { site, key } = await checkout();
    expect(await runStep(site, 'Put the key in its place', { LANDFALL_KEY: key })).toMatchObject({
      status: 0,
    });
    expect(statSync(join(site.directory, 'keys/release.key')).mode & 0o777).toBe(0o600);
    const shipped = await runStep(site, 'Ship');
    expect(shipped.status, shipped.stderr).toBe(0);
    expectComplete(site, '1.0.0');
  });

  it('is green with a warning when a quorum has it, and red when not', async () => {
    const { site, key } = await checkout();
    await runStep(site, 'Put the key in its place', { LANDFALL_KEY: key });
    unplug(site.mirror('lima'));
    const partial = await runStep(site, 'Ship');
    expect(partial.status, partial.stderr).toBe(0);
    expect(partial.stdout).toContain('warning: not all mirrors are complete');
    unplug(site.mirror('kyoto'));
    expect(await runStep(site, 'Ship', { GITHUB_REF_NAME: 'v1.1.0' })).toMatchObject({ status: 1 });
    expect(manifestOn(site.mirror('oslo'))?.version).toBe('1.0.0');
  });

  it('does nothing in a project that ships nothing', async () => {
    const { site, key } = await checkout();
    execFileSync('rm', [join(site.directory, 'release.config.ts')]);
    for (const name of ['Install Landfall', 'Put the key in its place', 'Ship', 'Comment']) {
      expect(await runStep(site, name, { LANDFALL_KEY: key })).toMatchObject({ status: 0 });
    }
    expect(existsSync(join(site.directory, 'keys/release.key'))).toBe(false);
    expect(manifestOn(site.mirror('oslo'))).toBeUndefined();
  });
});

describe('its comment', () => {
  const REPOSITORY = 'isles/archipelago';

  /** The environment of a job on that server. */
  function jobOn(server: GiteaStandIn): Record<string, string> {
    return {
      GITHUB_SERVER_URL: server.url,
      GITHUB_REPOSITORY: REPOSITORY,
      GITEA_TOKEN: server.token,
    };
  }

  const TABLE = `| mirror | version | sequence | artifacts | |
| --- | --- | --- | --- | --- |
| oslo | 1.0.0 | 1 | 2/2 | complete |
| lima | - | - | - | not complete |
| kyoto | 1.0.0 | 1 | 2/2 | complete |
`;

  it("is the tag's release page with the table, written once and then anew; and the job's summary", async () => {
    const { site, key } = await checkout();
    const server = await startGiteaStandIn({ repository: REPOSITORY, autoInit: true });
    onTestFinished(() => server.close());
    const { git, releases } = server.repository();
    execFileSync('git', [`--git-dir=${git}`, 'tag', 'v1.0.0', 'main']);
    const env = { ...jobOn(server), GITHUB_STEP_SUMMARY: join(temporaryFolder(), 'summary.md') };
    // Nothing is promised before a mirror has it.
    expect(await runStep(site, 'Comment', env)).toMatchObject({ status: 0 });
    expect(releases).toEqual([]);
    await runStep(site, 'Put the key in its place', { LANDFALL_KEY: key });
    const plugIn = unplug(site.mirror('lima'));
    expect(await runStep(site, 'Ship')).toMatchObject({ status: 0 });
    expect(await runStep(site, 'Comment', env)).toMatchObject({ status: 0 });
    expect(releases).toMatchObject([{ tag: 'v1.0.0', draft: false }]);
    const [release] = releases;
    if (release === undefined) throw new Error('no release');
    expect(release.notes).toContain(TABLE);
    expect(release.notes).toMatch(/^- mirror 'lima': /m);
    expect(readFileSync(env.GITHUB_STEP_SUMMARY, 'utf8')).toContain(TABLE);
    release.notes = `Better maps.\n\n${release.notes}\n\nThanks to all.\n`;
    plugIn();
    expect(await runStep(site, 'Ship')).toMatchObject({ status: 0 });
    // The answer to the first try is lost.
    server.rules.push({ method: 'PATCH', times: 1, fault: { kind: 'drop-after' } });
    expect(await runStep(site, 'Comment', env)).toMatchObject({ status: 0 });
    expect(releases).toHaveLength(1);
    expect(release.notes.match(/### Mirrors/g)).toHaveLength(1);
    expect(release.notes).toContain('| lima | 1.0.0 | 1 | 2/2 | complete |');
    expect(release.notes).toMatch(/^Better maps\.\n\n<!--[^]*-->\n\nThanks to all\.\n$/);
  });

  it('stands below the notes of a mirror, whose page it never makes; without the right it is a warning', async () => {
    const site = await useGiteaProject(['north', 'south']);
    site.project.write('CHANGELOG.md', '## [1.0.0]\n\nBetter maps.\n');
    const [north, south] = [site.server('north'), site.server('south')];
    await south.stop();
    expect(await site.release(['ship', '--quorum', '1'])).toMatchObject({ code: 4 });
    await south.start();
    const run = (server: GiteaStandIn, env: Record<string, string> = {}): Promise<Ended> =>
      runStep(site.project, 'Comment', { ...jobOn(server), ...env });
    expect(await run(north)).toMatchObject({ status: 0 });
    const [release] = north.repository().releases;
    expect(release?.notes).toMatch(/^Better maps\.\n\n<!-- .*\| south \| - \|/s);
    expect(await run(south)).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('there is no release for the notes') as string,
    });
    expect(south.repository().releases).toEqual([]);
    expect(await run(north, { GITEA_TOKEN: 'f'.repeat(40) })).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('wants a login (401)') as string,
    });
  });
});
