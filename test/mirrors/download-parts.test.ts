/** Downloads that go on from what is there, and that come from several mirrors at once. */
import { createHash } from 'node:crypto';
import { closeSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Download,
  downloadArtifact,
  type DownloadOptions,
  openMirrors,
} from '@landfall/mirrors';
import { describe, expect, it, onTestFinished } from 'vitest';
import { errorOf } from '../harness/errors.ts';
import { startFaultyMirror } from '../harness/faulty-mirror.ts';
import type { Answer, Fault, FaultyServer } from '../harness/http-faults.ts';
import { mirrorFolder, smallRelease } from '../harness/mirror-folder.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const RELEASE = smallRelease([], 4);
const { bytes: BYTES, ...ARTIFACT } = RELEASE.artifact;
const FRAME = 34_000;
const FRAMES = Array.from({ length: Math.ceil(BYTES.length / FRAME) }, (_, index) => {
  const part = BYTES.subarray(index * FRAME, (index + 1) * FRAME);
  return { size: part.length, sha256: createHash('sha256').update(part).digest('hex') };
});
const HALF = Math.floor(BYTES.length / 2);
const NAMES = ['north', 'south', 'east'];

interface Kind {
  fault?: Fault;
  ranges?: boolean;
  lie?: (range: { start: number; end: number }, size: number) => Answer | undefined;
}

interface Scene {
  servers: FaultyServer[];
  to: string;
  /** What was asked of each mirror: `start-end`, or `all`. */
  asked: () => string[][];
  run: (options?: Partial<DownloadOptions>) => Promise<Download>;
}

/** A mirror of each kind, which knows ranges unless told. */
async function scene(...kinds: Kind[]): Promise<Scene> {
  const servers: FaultyServer[] = [];
  for (const { fault, ranges = true, lie } of kinds) {
    const options = { ranges, ...(lie === undefined ? {} : { lie }) };
    const server = await startFaultyMirror(mirrorFolder(RELEASE), fault, options);
    onTestFinished(() => server.stop());
    servers.push(server);
  }
  const mirrors = openMirrors(
    servers.map(({ url }, index) => ({ type: 'directory', url, name: NAMES[index] ?? 'more' })),
  );
  const to = join(temporaryFolder(), `${ARTIFACT.file}.unverified`);
  const run = async (options: Partial<DownloadOptions> = {}): Promise<Download> => {
    const download = await downloadArtifact(mirrors, { ...ARTIFACT, to, ...options });
    onTestFinished(() => closeSync(download.fd));
    expect(readFileSync(to).equals(BYTES)).toBe(true);
    return download;
  };
  const asked = (): string[][] =>
    servers.map(({ requests }) => requests.map(({ range }) => range?.slice(6) ?? 'all'));
  return { servers, to, asked, run };
}

const failures = ({ failed }: Download): string[] =>
  failed.map(({ mirror, error }) => `${mirror}: ${error.code}`);
const span = (from: number, to: number): string =>
  `${from * FRAME}-${Math.min(to * FRAME, BYTES.length) - 1}`;

describe('a download of which only the whole is signed', () => {
  it('goes on from what is there', async () => {
    const { run, to, asked } = await scene({});
    writeFileSync(to, BYTES.subarray(0, HALF));
    expect(failures(await run())).toEqual([]);
    expect(asked()).toEqual([[`${HALF}-${BYTES.length - 1}`]]);
  });

  it('asks for nothing when all is there', async () => {
    const { run, to, asked } = await scene({});
    writeFileSync(to, BYTES);
    expect((await run()).mirror).toBeUndefined();
    expect(asked()).toEqual([[]]);
  });

  it('goes on at the next mirror where one was cut off', async () => {
    const { run, asked } = await scene({ fault: { kind: 'truncate' } }, {});
    expect(failures(await run())).toEqual(['north: UNREACHABLE']);
    expect(asked()).toEqual([['all'], [`${HALF}-${BYTES.length - 1}`]]);
  });

  it.each([
    ['is wrong', true, [`1000-${BYTES.length - 1}`, 'all']],
    ['is of no use, where the server knows no ranges', false, [`1000-${BYTES.length - 1}`]],
  ])('begins anew once when what is there %s', async (_, ranges, expected) => {
    const { run, to, asked } = await scene({ ranges });
    writeFileSync(to, Buffer.alloc(1000, 7));
    // It is not the mirror's fault.
    expect(failures(await run())).toEqual([]);
    expect(asked()).toEqual([expected]);
  });

  it('begins anew over more than the file has, and leaves none of that', async () => {
    const { run, to, asked } = await scene({});
    writeFileSync(to, Buffer.alloc(BYTES.length + 1, 7));
    expect(failures(await run())).toEqual([]);
    expect(asked()).toEqual([['all']]);
  });

  it('goes on from nothing of a mirror that sent more than the file has', async () => {
    const { run, asked } = await scene({ fault: { kind: 'endless' } }, {});
    expect(failures(await run())).toEqual(['north: TOO_LARGE']);
    expect(asked()).toEqual([['all'], ['all']]);
  });

  it('leaves a mirror whose end is wrong when the beginning was its own too', async () => {
    const { run, to, asked } = await scene({ fault: { kind: 'wrong-bytes' } }, {});
    writeFileSync(to, BYTES.subarray(0, HALF));
    expect(failures(await run())).toEqual(['north: BAD_ANSWER']);
    expect(asked()).toEqual([[`${HALF}-${BYTES.length - 1}`, 'all'], ['all']]);
  });

  it('that failed is gone on from by the next', async () => {
    const { run, servers } = await scene({});
    servers[0]?.rules.push({ fault: { kind: 'truncate' }, times: 1 });
    expect((await errorOf(() => run())).code).toBe('UNREACHABLE');
    expect(failures(await run())).toEqual([]);
    expect(servers[0]?.requests.at(-1)?.range).toBe(`bytes=${HALF}-${BYTES.length - 1}`);
  });
});

describe('a download by frames', () => {
  const frames = FRAMES;

  it('comes from several mirrors at once', async () => {
    const { run, asked } = await scene({}, {}, {});
    const progress: number[] = [];
    const download = await run({ frames, onProgress: (bytes) => progress.push(bytes) });
    expect(failures(download)).toEqual([]);
    expect(asked().map((each) => each[0])).toEqual([span(0, 1), span(1, 2), span(2, 3)]);
    expect(progress.at(-1)).toBe(BYTES.length);
    expect(Math.max(...progress)).toBe(BYTES.length);
  });

  it.each<[string, Kind, string]>([
    ['sends wrong bytes', { fault: { kind: 'wrong-bytes' } }, 'BAD_ANSWER'],
    ['cuts off', { fault: { kind: 'truncate' } }, 'UNREACHABLE'],
    ['sends too little', { fault: { kind: 'short' } }, 'BAD_ANSWER'],
    ['sends HTML', { fault: { kind: 'html' } }, 'BAD_ANSWER'],
    ['is without end', { fault: { kind: 'endless' } }, 'BAD_ANSWER'],
    ['answers 416', { fault: { kind: 'status', status: 416 } }, 'REJECTED'],
    [
      'sends another part than it says',
      {
        lie: ({ start, end }, size) => ({
          status: 206,
          headers: { 'content-range': `bytes ${start}-${end}/${size}` },
          body: BYTES.subarray(start + 1, end + 2),
        }),
      },
      'BAD_ANSWER',
    ],
    [
      'says that it sends another part',
      {
        lie: ({ start, end }, size) => ({
          status: 206,
          headers: { 'content-range': `bytes ${start + 1}-${end}/${size}` },
          body: BYTES.subarray(start + 1, end + 1),
        }),
      },
      'BAD_ANSWER',
    ],
    [
      'says that the file is of another size',
      {
        lie: ({ start, end }, size) => ({
          status: 206,
          headers: { 'content-range': `bytes ${start}-${end}/${size + 1}` },
          body: BYTES.subarray(start, end + 1),
        }),
      },
      'BAD_ANSWER',
    ],
  ])('leaves a mirror that %s, and the others take over', async (_, kind, code) => {
    const { run } = await scene(kind, {}, {});
    const download = await run({ frames });
    // One that cuts off may be asked again at the end; here the others are there.
    expect(failures(download)).toEqual([`north: ${code}`]);
  });

  it.each([
    ['from the start', Buffer.alloc(0), 0],
    ['with frames that are here', BYTES.subarray(0, 4 * FRAME), 4 * FRAME],
    ['with all that is here', BYTES, BYTES.length],
  ])('tells what is right of it so far, %s', async (_, left, first) => {
    const { run, to } = await scene({ fault: { kind: 'wrong-bytes' } }, {}, {});
    writeFileSync(to, left);
    const told: number[] = [];
    const onHere = (bytes: number, fd: number): void => {
      const found = Buffer.alloc(bytes);
      readSync(fd, found, 0, bytes, 0);
      expect(found.equals(BYTES.subarray(0, bytes))).toBe(true);
      told.push(bytes);
    };
    await run({ frames, onHere });
    expect(told[0]).toBe(first);
    expect(told).toEqual(told.toSorted((a, b) => a - b));
    expect(told.at(-1)).toBe(BYTES.length);
    // Frame after frame, and not all at the end.
    const steps = (BYTES.length - first) / FRAME;
    expect(new Set(told).size).toBeGreaterThan(steps / 3);
  });

  it('goes on without a mirror that stalls, long before it is given up', async () => {
    const { run, servers } = await scene({ fault: { kind: 'stall' } }, {});
    const limits = { minRate: 1, rateWindowMs: 600_000 };
    const download = await run({ frames, limits });
    expect([failures(download), download.mirror]).toEqual([[], 'south']);
    expect(servers[0]?.requests).toHaveLength(1);
  });

  it('names the bytes that are wrong, and keeps the frames that are right', async () => {
    const { run, to, servers, asked } = await scene({});
    servers[0]?.rules.push({ fault: { kind: 'wrong-bytes' }, skip: 1 });
    const error = await errorOf(() => run({ frames }));
    const told = /expected sha256 [0-9a-f]{64} in bytes (\d+)-\d+, found sha256/;
    const wrong = Number(told.exec(error.message)?.[1]);
    expect(wrong % FRAME, error.message).toBe(0);
    expect(readFileSync(to).subarray(0, wrong).equals(BYTES.subarray(0, wrong))).toBe(true);
    servers[0]?.rules.splice(0);
    servers[0]?.requests.splice(0);
    await run({ frames });
    expect(asked()[0]?.[0]).toBe(`${wrong}-${wrong + FRAME - 1}`);
  });

  it('fetches only what is missing or wrong of what is there', async () => {
    const { run, to, asked } = await scene({});
    const left = Buffer.from(BYTES.subarray(0, 8 * FRAME + 100));
    left[3 * FRAME + 5] = (left[3 * FRAME + 5] ?? 0) ^ 1;
    writeFileSync(to, left);
    await run({ frames });
    const [first, ...others] = asked()[0] ?? [];
    expect(first).toBe(span(3, 4));
    expect(others.map((each) => Number(each.split('-')[0]) >= 8 * FRAME)).not.toContain(false);
    writeFileSync(to, Buffer.concat([BYTES, BYTES]));
    expect((await run({ frames })).mirror).toBeUndefined();
    expect(asked()[0]).toEqual([first, ...others]);
  });

  it.each([1, 3])(
    'reads %d mirrors that know no ranges from the beginning, one of them',
    async (count) => {
      const kinds = Array.from({ length: count }, () => ({ ranges: false }));
      const { run, to, servers } = await scene(...kinds);
      writeFileSync(to, BYTES.subarray(0, FRAME));
      expect(failures(await run({ frames }))).toEqual([]);
      expect(servers.map(({ requests }) => requests.length)).toEqual(kinds.map(() => 1));
    },
  );

  it('asks a mirror again that was cut off, when nobody else has it', async () => {
    const { run, servers } = await scene({});
    servers[0]?.rules.push({ fault: { kind: 'truncate' }, skip: 1, times: 1 });
    expect(failures(await run({ frames }))).toEqual(['north: UNREACHABLE']);
  });

  it('does without frames that are not all of the file', async () => {
    const { run, asked } = await scene({});
    await run({ frames: frames.slice(1) });
    expect(asked()).toEqual([['all']]);
  });

  it('stops with the reason it was given, and keeps what came', async () => {
    const { run, to, servers } = await scene({}, {});
    const controller = new AbortController();
    const reason = new Error('enough');
    for (const { rules } of servers) rules.push({ fault: { kind: 'stall' }, skip: 1 });
    const onProgress = (bytes: number): void => {
      if (bytes >= 2 * FRAME) controller.abort(reason);
    };
    const stopped = run({ frames, onProgress, signal: controller.signal });
    await expect(stopped).rejects.toBe(reason);
    expect(readFileSync(to).length).toBeGreaterThan(0);
  });
});
