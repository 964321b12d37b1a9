/** What a download never does: write over what is right, hold too much in memory, last for ever. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { downloadArtifact, type Mirror } from '@landfall/mirrors';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Frame } from '../../mirrors/download/board.ts';
import { fitFrames } from '../../mirrors/download/frames.ts';
import { TakenFrame, type Writers } from '../../mirrors/download/taken-frame.ts';
import { errorOf } from '../harness/errors.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const MIB = 1024 * 1024;

describe('a frame that two mirrors send', () => {
  const good = Buffer.from('what was signed');
  const bad = Buffer.from('what was forged');
  const sha256 = createHash('sha256').update(good).digest('hex');
  const frame: Frame = { index: 0, start: 0, end: good.length, sha256 };

  /** The frame is on its way from the one that is wrong, who writes as it comes in, and from the other. */
  function scene(): { wrong: TakenFrame; right: TakenFrame; fd: number; read: () => string } {
    const path = join(temporaryFolder(), 'frame');
    const fd = openSync(path, 'w+');
    onTestFinished(() => closeSync(fd));
    const writers: Writers = new Map();
    const [wrong, right] = [new TakenFrame(frame, writers), new TakenFrame(frame, writers)];
    return { wrong, right, fd, read: () => readFileSync(path, 'utf8') };
  }

  it('is written by the first, and over it by who is right', async () => {
    const { wrong, right, fd, read } = scene();
    expect(wrong.take(bad)).toBe(bad.length);
    await wrong.flush(fd);
    expect(right.take(good)).toBe(0);
    expect(await right.finish(fd)).toBe(true);
    expect(read()).toBe(String(good));
  });

  it('is not written over once it is right, whatever the first still has and gets', async () => {
    const { wrong, right, fd, read } = scene();
    wrong.take(bad.subarray(0, 7));
    right.take(good);
    expect(await right.finish(fd)).toBe(true);
    wrong.take(bad.subarray(7));
    await wrong.flush(fd);
    const isWritten = await wrong.finish(fd);
    await wrong.leave();
    expect(read()).toBe(String(good));
    expect(isWritten).toBe(false);
  });
});

describe('a range with a digest', () => {
  const options = (...sizes: number[]): Parameters<typeof fitFrames>[0] => ({
    version: '1.0.0',
    file: 'web-ui-1.0.0.tar.zst',
    size: sizes.reduce((sum, each) => sum + each, 0),
    sha256: '',
    to: '',
    frames: sizes.map((size) => ({ size, sha256: '' })),
  });

  it('is held in memory up to 32 MiB; a file with longer ones is fetched as a whole', () => {
    expect(fitFrames(options(32 * MIB, 1))?.map(({ start }) => start)).toEqual([0, 32 * MIB]);
    expect(fitFrames(options(32 * MIB + 1, 1))).toBeUndefined();
    expect(fitFrames(options(1, 33 * MIB))).toBeUndefined();
  });
});

it.each([
  ['of 1 MiB: an hour and more, where it is the last mirror', 1, 60_000 + (MIB / 256) * 1000],
  ['of 16 GiB: a day at most', 16 * 1024, 86_400_000],
])('a download lasts as long as the rate allows: %s', async (_, mib, deadline) => {
  const deadlines: number[] = [];
  const mirror: Mirror = {
    name: 'north',
    kind: 'directory',
    address: 'file:///nowhere',
    readIndex: () => Promise.resolve(undefined),
    statArtifact: () => Promise.resolve(undefined),
    openArtifact: (_version, _file, { deadlineMs }) => {
      deadlines.push(deadlineMs);
      return Promise.resolve(undefined);
    },
  };
  const [version, file, to] = ['1.0.0', 'web-ui-1.0.0.tar.zst', join(temporaryFolder(), 'file')];
  const wanted = { version, file, to, size: mib * MIB, sha256: '0'.repeat(64) };
  const error = await errorOf(() => downloadArtifact([mirror], wanted));
  expect(error.code).toBe('NOT_FOUND');
  expect(deadlines).toEqual([deadline]);
});
