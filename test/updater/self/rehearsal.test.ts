/** The rehearsal of a new updater on a disk without room: told as that, and not as the program's fault. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { rehearse } from '../../../updater/self/rehearsal.ts';
import { errorOf } from '../../harness/errors.ts';
import { makeHost } from '../../harness/host.ts';

describe('a rehearsal', () => {
  it('on a full disk fails for want of room, and leaves nothing', async () => {
    const host = makeHost();
    const { state } = host.paths;
    mkdirSync(state, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'landfall-test', state]);
    onTestFinished(() => void execFileSync('umount', [state]));
    const error = await errorOf(() => rehearse(host));
    expect(error).toMatchObject({ code: 'NO_SPACE' });
    expect(error.message).toContain('not enough space at');
    expect(readdirSync(state)).toStrictEqual([]);
    execFileSync('mount', ['-o', 'remount,size=64m', state]);
    await expect(rehearse(host)).resolves.toBeUndefined();
  });
});
