/** A server that does not take the index as it is: what it says, and what is done only when asked. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openWritableMirrors, type WritableMirror } from '@landfall/mirrors';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../harness/errors.ts';
import { giteaScene, type GiteaScene } from '../harness/gitea-scene.ts';
import { commitFiles, runGit } from '../harness/gitea-stand-in/state.ts';
import { head, prepare, scenes } from '../harness/index-scene.ts';
import { temporaryFolder } from '../harness/temporary.ts';

function addHook({ server }: GiteaScene, script: string): void {
  const hook = join(server.repository().git, 'hooks/pre-receive');
  mkdirSync(join(hook, '..'), { recursive: true });
  writeFileSync(hook, `#!/bin/sh\n${script}\n`);
  chmodSync(hook, 0o755);
}

async function refusedPush(script: string): Promise<Awaited<ReturnType<typeof errorOf>>> {
  const scene = await giteaScene();
  addHook(scene, script);
  const update = await prepare([scene.writer]);
  const error = await errorOf(() => scene.writer.writeIndex(update, {}));
  expect(head(scene)).toBeUndefined();
  return error;
}

describe('a hook that rejects the push', () => {
  it('is shown with what it said, on one short line', async () => {
    const error = await refusedPush(
      `printf '\\033[31mno releases\\033[0m on Fridays,\\n\\n  says the policy\\n' >&2
       i=0; while [ $i -lt 200 ]; do echo "line $i of a long story" >&2; i=$((i+1)); done; exit 1`,
    );
    expect(error.code).toBe('REJECTED');
    expect(error.message).toMatch(
      /^mirror 'north': cannot push to 'main': a hook of the server refused the push \(git: '\[31mno releases \[0m on Fridays, says the policy line 0 of a long story [^\n\p{Cc}]{1,200}'\)$/u,
    );
    expect(error.message.length).toBeLessThan(350);
    expect(error.hint).toContain('hook');
  });

  it('without a word is still told from other refusals', async () => {
    const error = await refusedPush('exit 1');
    expect(error.code).toBe('REJECTED');
    expect(error.message).toContain('a hook of the server refused the push');
  });

  it('because the branch is protected says who must allow it', async () => {
    const error = await refusedPush(
      'echo "Gitea: Not allowed to push to protected branch main" >&2; exit 1',
    );
    expect(error.code).toBe('FORBIDDEN');
    expect(error.message).toBe(
      "mirror 'north': cannot push to 'main': the branch is protected (git: 'Gitea: Not allowed to push to protected branch main')",
    );
    expect(error.hint).toContain('branch settings');
  });
});

describe('a default branch that was moved', () => {
  function writerOf({ place }: GiteaScene, branch?: string): WritableMirror {
    const { url, repository, token } = place;
    const base = {
      type: 'gitea' as const,
      name: 'north',
      url,
      repository,
      token: { env: 'TOKEN' },
    };
    const config = branch === undefined ? base : { ...base, branch };
    const [writer] = openWritableMirrors([config], { env: { TOKEN: token } });
    if (writer === undefined) throw new Error('no mirror was opened');
    return writer;
  }

  it('is named with the line to add; no second branch is begun', async () => {
    const scene = await giteaScene('north', { branch: 'trunk', autoInit: true });
    const error = await errorOf(() => writerOf(scene).checkWritable({}));
    expect(error.code).toBe('NOT_WRITABLE');
    expect(error.message).toBe(
      "mirror 'north': has no branch 'main': its default branch is 'trunk'",
    );
    expect(error.hint).toContain("add branch: 'trunk'");
    expect(runGit(scene.server.repository().git, ['branch', '--list'])).not.toContain('main');
  });

  it('is no question where the configuration names the branch, or nothing is there yet', async () => {
    const moved = await giteaScene('north', { branch: 'trunk', autoInit: true });
    expect(await writerOf(moved, 'main').checkWritable({})).toMatchObject({ head: undefined });
    expect((await writerOf(moved, 'trunk').checkWritable({})).head).toMatch(/^[0-9a-f]{40}$/);
    const empty = await giteaScene('north', { branch: 'trunk' });
    expect(await writerOf(empty).checkWritable({})).toMatchObject({ head: undefined });
  });
});

describe('a branch that has diverged', () => {
  async function diverged(): Promise<{
    scene: GiteaScene;
    theirs: string;
    repository: string;
    update: Awaited<ReturnType<typeof prepare>>;
    id: string;
  }> {
    const [good, scene] = await scenes('good', 'north');
    if (good === undefined || scene === undefined) throw new Error('no server');
    const repository = join(temporaryFolder(), 'index.git');
    const update = await prepare([good.writer], 1, repository);
    const id = update.commit?.id ?? '';
    const other = { 'README.md': 'by hand\n' };
    const theirs = commitFiles(scene.server.repository(), 'main', other, 'By hand');
    return { scene, theirs, repository, update, id };
  }

  it('is left alone; both heads and the ways out are told', async () => {
    const { scene, theirs, update, id } = await diverged();
    const error = await errorOf(() => scene.writer.writeIndex(update, {}));
    expect(error.code).toBe('DIVERGED');
    expect(error.message).toBe(
      `mirror 'north': branch 'main' has diverged: expected an ancestor of ${id}, found ${theirs}`,
    );
    expect(error.hint).toContain(`git log ${id}..${theirs}`);
    expect(error.hint).toContain("'release ship --force-index north'");
    expect(head(scene)).toBe(theirs);
  });

  it('is replaced when that is asked for, and its old head is kept here', async () => {
    const { scene, theirs, repository, update, id } = await diverged();
    await scene.writer.writeIndex(update, { force: true });
    expect(head(scene)).toBe(id);
    expect(runGit(repository, ['show', '-s', '--format=%s', theirs])).toBe('By hand');
    expect(runGit(repository, ['for-each-ref', '--format=%(objectname)'])).toContain(theirs);
    await scene.writer.writeIndex(update, { force: true });
    expect(head(scene)).toBe(id);
  });

  it('is not replaced when it moved after it was looked at', async () => {
    const { scene, update } = await diverged();
    let meanwhile: string | undefined;
    scene.server.hooks.handled = (method, path) => {
      // Our fetch is over; somebody is quicker than our push.
      if (method !== 'GET' || !path.includes('service=git-receive-pack')) return;
      meanwhile ??= commitFiles(scene.server.repository(), 'main', { x: 'y\n' }, 'Meanwhile');
    };
    const error = await errorOf(() => scene.writer.writeIndex(update, { force: true }));
    expect(error.code).toBe('DIVERGED');
    expect(meanwhile).toMatch(/^[0-9a-f]{40}$/);
    expect(head(scene)).toBe(meanwhile);
  });
});
