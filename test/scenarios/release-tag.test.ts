/** Where the tag of a release points on Gitea: at the source commit where the mirror has it. */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type GiteaProject, useGiteaProject } from '../harness/gitea-project.ts';

const WHO = ['-c', 'user.name=dev', '-c', 'user.email=dev@example.test'];

function git(directory: string, args: readonly string[]): string {
  return execFileSync('git', ['-C', directory, ...WHO, ...args], { encoding: 'utf8' }).trim();
}

/** Commits everything of the project; the commit. */
function commit(site: GiteaProject): string {
  const { directory } = site.project;
  site.project.write('.gitignore', '.release/\nkeys/\n');
  git(directory, ['init', '--quiet', '--initial-branch=main']);
  git(directory, ['add', '.']);
  git(directory, ['commit', '--quiet', '--message=source']);
  return git(directory, ['rev-parse', 'HEAD']);
}

function tagOn(site: GiteaProject, name: string): string {
  return git(site.server(name).repository().git, ['rev-parse', 'v1.0.0^{commit}']);
}

describe('the tag of a release', () => {
  it('is on the source commit where a mirror has it, and on the index branch elsewhere', async () => {
    const site = await useGiteaProject(['north', 'south']);
    const source = commit(site);
    const { git: north } = site.server('north').repository();
    git(site.project.directory, ['push', '--quiet', north, 'HEAD:refs/heads/source']);
    const shipped = await site.release(['ship']);
    expect(shipped.code, shipped.stderr).toBe(0);
    expect(tagOn(site, 'north')).toBe(source);
    const south = site.server('south').repository().git;
    expect(git(south, ['merge-base', '--is-ancestor', 'v1.0.0', 'main'])).toBe('');
    expect(tagOn(site, 'south')).not.toBe(source);
    expect(await site.release(['verify'])).toMatchObject({ code: 0 });
  });

  it('is on the index branch when what is shipped is no checkout, and nobody is asked', async () => {
    const site = await useGiteaProject(['north']);
    rmSync(`${site.project.directory}/.git`, { recursive: true, force: true });
    expect(await site.release(['ship'])).toMatchObject({ code: 0 });
    const { requests } = site.server('north');
    expect(requests.some(({ url }) => url.includes('/git/commits/'))).toBe(false);
    expect(tagOn(site, 'north')).toMatch(/^[0-9a-f]{40}$/);
  });
});
