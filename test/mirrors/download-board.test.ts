/** Who fetches which frames: told from what each source has sent, without a clock. */
import { describe, expect, it } from 'vitest';
import { type Frame, FrameBoard, type Source } from '../../mirrors/download/board.ts';

const MIB = 1024 * 1024;
const framesOf = (count: number): Frame[] =>
  Array.from({ length: count }, (_, index) => ({
    index,
    start: index * MIB,
    end: (index + 1) * MIB,
    sha256: '',
  }));

/** A source that sent `bytes` in `ms`. */
const source = (bytes = 0, ms = 0): Source => ({ bytes, ms, run: [], filled: 0 });
const runOf = ({ run }: Source): number[] => run.map(({ index }) => index);

function boardOf(frames: Frame[], ...sources: Source[]): FrameBoard {
  const board = new FrameBoard(frames);
  for (const each of sources) {
    board.join(each);
    board.assign(each);
  }
  return board;
}

describe('a board of frames', () => {
  it('gives one frame to who has sent nothing, and more to who is fast', () => {
    const [fresh, slow, fast] = [source(), source(MIB, 4000), source(100 * MIB, 10_000)];
    boardOf(framesOf(100), fresh, slow, fast);
    expect([runOf(fresh), runOf(slow)]).toEqual([[0], [1]]);
    // What four seconds bring, but no more than leaves the end to all of them.
    expect(runOf(fast)).toEqual(Array.from({ length: 16 }, (_, index) => index + 2));
  });

  it('gives back what a source leaves', () => {
    const [one, other] = [source(), source()];
    const board = boardOf(framesOf(2), one, other);
    board.leave(one);
    board.assign(other);
    expect(runOf(other)).toEqual([0]);
  });

  it('gives a source that was given what it did not fetch the same again', () => {
    const one = source();
    const frames = framesOf(3);
    const board = boardOf(frames, one);
    one.run.shift();
    expect(board.extend(one, frames[1]!)).toBe(true);
    board.assign(one);
    expect(runOf(one)).toEqual([0]);
  });

  it('takes over what waits behind a slower source, then what it is in the middle of', () => {
    const frames = framesOf(5);
    const slow = source(MIB / 10, 10_000);
    const board = boardOf(frames, slow);
    slow.run = [...frames];
    const fast = source(100 * MIB, 1000);
    board.join(fast);
    board.assign(fast);
    expect([runOf(slow), runOf(fast)]).toEqual([
      [0, 1, 2],
      [3, 4],
    ]);
    for (const frame of fast.run) board.complete(frame);
    board.assign(fast);
    expect([runOf(slow), runOf(fast)]).toEqual([[0, 1], [2]]);
    board.complete(fast.run[0]!);
    board.assign(fast);
    board.complete(fast.run[0]!);
    board.assign(fast);
    // Twice, of which one is in vain; a third is not sent for.
    expect([runOf(slow), runOf(fast)]).toEqual([[0], [0]]);
    const third = source(100 * MIB, 1000);
    board.join(third);
    board.assign(third);
    expect(runOf(third)).toEqual([]);
    board.complete(fast.run[0]!);
    expect(board.isDone).toBe(true);
  });

  it('leaves alone who is about to be done, and who has only just begun', () => {
    const [near, fresh] = [source(MIB, 1000), source(0, 500)];
    const board = boardOf(framesOf(2), near, fresh);
    near.filled = MIB - 1000;
    const idle = source(MIB, 1000);
    board.join(idle);
    board.assign(idle);
    expect(runOf(idle)).toEqual([]);
  });
});
