/** A mirror whose index branch diverged: reported with both heads, left alone, replaced only when asked by name. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../harness/errors.ts';
import { contentsOf, type GiteaProject, useGiteaProject } from '../harness/gitea-project.ts';
import { commitFiles } from '../harness/gitea-stand-in/state.ts';
import { head, prepare, scenes, writersOf } from '../harness/index-scene.ts';

/** Three servers; west went its own way while the others got a release. Its head. */
async function diverged(): Promise<{ site: GiteaProject; own: string }> {
  const site = await useGiteaProject(['north', 'south', 'west']);
  expect(await site.release(['ship'])).toMatchObject({ code: 0 });
  await site.server('west').stop();
  expect(await site.release(['ship', '1.1.0'])).toMatchObject({ code: 4 });
  await site.server('west').start();
  const files = { 'NOTES.md': 'ours\n' };
  return { site, own: commitFiles(site.server('west').repository(), 'main', files, 'Notes') };
}

describe('a mirror whose branch diverged', () => {
  it('is left alone, and named with both heads and the way out', async () => {
    const { site, own } = await diverged();
    const { head: common } = contentsOf(site.server('north'));
    const { code, stdout } = await site.release(['ship', '1.1.0']);
    expect(code).toBe(4);
    const lines = stdout.split('\n');
    const at = lines.findIndex((line) => line.startsWith('west: '));
    expect(lines.slice(at, at + 2)).toEqual([
      `west: branch 'main' has diverged: expected an ancestor of ${common}, found ${own}`,
      `  hint: run the command again if somebody has just pushed; else 'git log ${common}..${own}' in a clone of it shows what only this mirror has: merge that into 'main' of the others, or give it up with 'release ship --force-index west', which puts theirs in its place`,
    ]);
    expect(contentsOf(site.server('west')).head).toBe(own);
  });

  it('gets the index of the others when it is asked for by name; what it had is kept here', async () => {
    const { site, own } = await diverged();
    const forced = await site.release(['ship', '1.1.0', '--force-index', 'west']);
    expect(forced.code).toBe(0);
    expect(forced.stderr).toContain(
      `west: replaced its head ${own}, which is kept in .release/index.git`,
    );
    expect(contentsOf(site.server('west'))).toEqual(contentsOf(site.server('north')));
    const kept = join(site.project.directory, '.release/index.git');
    const show = ['show', `refs/landfall/heads/${own}:NOTES.md`];
    expect(execFileSync('git', [`--git-dir=${kept}`, ...show], { encoding: 'utf8' })).toBe(
      'ours\n',
    );
    // Where nothing has diverged, it changes nothing.
    const again = await site.release(['ship', '1.1.0', '--force-index', 'west']);
    expect(again).toMatchObject({ code: 0 });
    expect(again.stderr).not.toContain('replaced');
  });

  it('is never what the others are brought to, however new it is', async () => {
    const { site } = await diverged();
    await site.server('south').stop();
    // One against one, and west committed last.
    const args = ['ship', '1.2.0', '--quorum', '1', '--force-index', 'west'];
    expect(await site.release(args)).toMatchObject({ code: 4 });
    const { git } = site.server('west').repository();
    const log = execFileSync('git', [`--git-dir=${git}`, 'log', '--format=%s', 'main'], {
      encoding: 'utf8',
    });
    expect(log).not.toContain('Notes');
    expect(contentsOf(site.server('west')).head).toBe(contentsOf(site.server('north')).head);
  });

  it('is not replaced when it moved after it was looked at', async () => {
    const [common, own] = await scenes('common', 'own');
    if (common === undefined || own === undefined) throw new Error('no server');
    const repository = own.server.repository();
    commitFiles(common.server.repository(), 'main', { a: '1' }, 'Theirs');
    commitFiles(repository, 'main', { b: '2' }, 'Ours');
    const update = await prepare(writersOf([common]));
    const moved: string[] = [];
    own.server.hooks.handled = (method, path) => {
      if (method !== 'POST' || !path.endsWith('git-upload-pack') || moved.length > 0) return;
      moved.push(commitFiles(repository, 'main', { b: '3' }, 'Ours again'));
    };
    const error = await errorOf(() => own.writer.writeIndex(update, { force: true }));
    expect(error).toMatchObject({ code: 'DIVERGED' });
    expect(moved).toHaveLength(1);
    expect(head(own)).toBe(moved[0]);
  });
});

it('is refused for a mirror that has no index branch', async () => {
  const site = await useGiteaProject(['north', 'south']);
  const { code, stderr } = await site.release(['ship', '--force-index', 'nroth']);
  expect(code).toBe(2);
  expect(stderr).toContain(
    "--force-index: expected the name of a mirror whose index is a git branch (north, south), found 'nroth'",
  );
});
