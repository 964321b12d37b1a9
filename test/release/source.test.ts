import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sourceOf } from '../../release/steps/source.ts';
import { cleanEnvironment } from '../harness/command.ts';
import { errorOf } from '../harness/errors.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const NONE = {};

function git(directory: string, ...args: string[]): string {
  const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@localhost'];
  return execFileSync('git', ['-C', directory, ...identity, ...args], {
    encoding: 'utf8',
    env: cleanEnvironment({ GIT_COMMITTER_DATE: '2026-04-22T19:00:00Z' }),
  }).trim();
}

/** A checkout with one commit. */
function checkout(): string {
  const directory = temporaryFolder();
  git(directory, 'init', '--quiet', '--initial-branch=main');
  writeFileSync(join(directory, 'a'), 'one');
  git(directory, 'add', 'a');
  git(directory, 'commit', '--quiet', '-m', 'one');
  return directory;
}

describe('the source', () => {
  it('is the commit that is checked out, with its time', async () => {
    const directory = checkout();
    expect(await sourceOf(directory, { requireClean: true, environment: NONE })).toEqual({
      commit: git(directory, 'rev-parse', 'HEAD'),
      folder: '',
      mtime: Date.parse('2026-04-22T19:00:00Z') / 1000,
      clock: 'commit',
    });
  });

  it('is found whatever the user has configured, also where the commit is signed', async () => {
    const directory = checkout();
    const program = join(temporaryFolder(), 'gpg');
    writeFileSync(program, '#!/bin/sh\necho "gpg: Good signature" >&2\n', { mode: 0o755 });
    const settings = {
      'log.showSignature': 'true',
      'gpg.program': program,
      'color.ui': 'always',
      'format.pretty': 'fuller',
      'status.branch': 'true',
    };
    for (const [key, value] of Object.entries(settings)) git(directory, 'config', key, value);
    const signature =
      'gpgsig -----BEGIN PGP SIGNATURE-----\n \n abcd\n -----END PGP SIGNATURE-----\n';
    const [head = '', ...message] = git(directory, 'cat-file', 'commit', 'HEAD').split('\n\n');
    const file = join(temporaryFolder(), 'commit');
    writeFileSync(file, `${head}\n${signature}\n${message.join('\n\n')}\n`);
    const signed = git(directory, 'hash-object', '-t', 'commit', '-w', file);
    git(directory, 'reset', '--quiet', '--hard', signed);
    expect(git(directory, 'log', '-1', '--format=%H')).toContain('gpg: Good signature');
    expect(await sourceOf(directory, { requireClean: true, environment: NONE })).toMatchObject({
      commit: signed,
      mtime: Date.parse('2026-04-22T19:00:00Z') / 1000,
    });
  });

  it('is found from a folder inside the checkout', async () => {
    const directory = checkout();
    mkdirSync(join(directory, 'sub'));
    const source = await sourceOf(join(directory, 'sub'), {
      requireClean: true,
      environment: NONE,
    });
    expect(source.commit).toBe(git(directory, 'rev-parse', 'HEAD'));
  });

  it('has the time of SOURCE_DATE_EPOCH when that is set', async () => {
    const environment = { SOURCE_DATE_EPOCH: '1234567890' };
    const source = await sourceOf(checkout(), { requireClean: true, environment });
    expect(source).toMatchObject({ mtime: 1_234_567_890, clock: 'SOURCE_DATE_EPOCH' });
  });

  it('outside of a checkout has no commit and the time of now', async () => {
    const before = Math.floor(Date.now() / 1000);
    const source = await sourceOf(temporaryFolder(), { requireClean: true, environment: NONE });
    expect(source).toMatchObject({ commit: '', clock: 'now' });
    expect(source.mtime).toBeGreaterThanOrEqual(before);
  });

  it('is refused with changes that no commit names, and names them', async () => {
    const directory = checkout();
    writeFileSync(join(directory, 'a'), 'two');
    writeFileSync(join(directory, 'new file'), '');
    const error = await errorOf(() =>
      sourceOf(directory, { requireClean: true, environment: NONE }),
    );
    expect(error).toMatchObject({ code: 'GIT_DIRTY', exit: 2 });
    expect(error.message).toContain("'a'");
    expect(error.message).toContain('new file');
    await sourceOf(directory, { requireClean: false, environment: NONE });
  });

  it('is refused in a checkout without a commit', async () => {
    const directory = temporaryFolder();
    git(directory, 'init', '--quiet');
    const error = await errorOf(() =>
      sourceOf(directory, { requireClean: true, environment: NONE }),
    );
    expect(error).toMatchObject({ code: 'GIT_FAILED' });
  });

  it('does not take a time that is none', async () => {
    const environment = { SOURCE_DATE_EPOCH: 'yesterday' };
    const error = await errorOf(() => sourceOf(checkout(), { requireClean: true, environment }));
    expect(error).toMatchObject({ code: 'USAGE', exit: 2 });
  });
});
