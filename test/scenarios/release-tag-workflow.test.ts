/** The steps of .gitea/workflows/release.yml, run as a runner would, in a project of its own. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { cleanEnvironment, launcherOf } from '../harness/command.ts';
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

/** Runs a step in the project, with the commands on the path. */
function runStep(site: Project, name: string, env: Record<string, string> = {}) {
  const launchers = (['release', 'mirrors'] as const).map((each) => dirname(launcherOf(each)));
  return spawnSync('bash', ['-e', '-c', scriptOf(name)], {
    cwd: site.directory,
    encoding: 'utf8',
    env: {
      ...cleanEnvironment({ GITHUB_REF_NAME: 'v1.0.0', ...env }),
      PATH: [...launchers, process.env['PATH']].join(':'),
    },
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
  it('puts the key where nobody else reads it, ships the tag, and shows the mirrors', async () => {
    const { site, key } = await checkout();
    const summary = join(temporaryFolder(), 'summary.md');
    expect(runStep(site, 'Put the key in its place', { LANDFALL_KEY: key }).status).toBe(0);
    expect(statSync(join(site.directory, 'keys/release.key')).mode & 0o777).toBe(0o600);
    const shipped = runStep(site, 'Ship', { GITHUB_STEP_SUMMARY: summary });
    expect(shipped.status, shipped.stderr).toBe(0);
    expectComplete(site, '1.0.0');
    expect(shipped.stdout).toMatch(/oslo .*1\.0\.0 +1 +0 +2\/2/);
    expect(readFileSync(summary, 'utf8')).toMatch(/## Mirrors after v1\.0\.0\n\n```\nNAME/);
  });

  it('is green with a warning when a quorum has it, and red when not', async () => {
    const { site, key } = await checkout();
    runStep(site, 'Put the key in its place', { LANDFALL_KEY: key });
    unplug(site.mirror('lima'));
    const partial = runStep(site, 'Ship');
    expect(partial.status, partial.stderr).toBe(0);
    expect(partial.stdout).toContain('warning: not all mirrors are complete');
    unplug(site.mirror('kyoto'));
    expect(runStep(site, 'Ship', { GITHUB_REF_NAME: 'v1.1.0' }).status).toBe(1);
    expect(manifestOn(site.mirror('oslo'))?.version).toBe('1.0.0');
  });

  it('does nothing in a project that ships nothing', async () => {
    const { site, key } = await checkout();
    execFileSync('rm', [join(site.directory, 'release.config.ts')]);
    for (const name of ['Install Landfall', 'Put the key in its place', 'Ship']) {
      expect(runStep(site, name, { LANDFALL_KEY: key }).status).toBe(0);
    }
    expect(existsSync(join(site.directory, 'keys/release.key'))).toBe(false);
    expect(manifestOn(site.mirror('oslo'))).toBeUndefined();
  });
});
