/** Downloading one artifact: bad mirrors are named and left, and nothing of them stays. */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type Download,
  downloadArtifact,
  type DownloadOptions,
  openMirrors,
} from '@landfall/mirrors';
import { describe, expect, it, onTestFinished } from 'vitest';
import { errorOf } from '../harness/errors.ts';
import { startFaultyMirror } from '../harness/faulty-mirror.ts';
import type { Fault, FaultyServer } from '../harness/http-faults.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { mirrorFolder, smallRelease } from '../harness/mirror-folder.ts';
import { temporaryFolder } from '../harness/temporary.ts';

/** A busy machine reaches it; what trickles does not. */
const IMPATIENT = { minRate: 50_000, rateWindowMs: 500 };

interface Scene {
  servers: FaultyServer[];
  bytes: Buffer;
  to: string;
  run: (options?: Partial<DownloadOptions>) => Promise<Download>;
}

/** One mirror for each fault; `undefined` is a good one. */
async function scene(...faults: (Fault | undefined)[]): Promise<Scene> {
  const release = smallRelease([testKey()], 4);
  const servers: FaultyServer[] = [];
  for (const fault of faults) {
    const server = await startFaultyMirror(mirrorFolder(release), fault);
    onTestFinished(() => server.stop());
    servers.push(server);
  }
  const names = ['north', 'south', 'east'];
  const mirrors = openMirrors(
    servers.map(({ url }, index) => ({ type: 'directory', url, name: names[index] ?? 'more' })),
  );
  const { version, file, size, sha256, bytes } = release.artifact;
  const to = join(temporaryFolder(), `${file}.unverified`);
  const run = async (options: Partial<DownloadOptions> = {}): Promise<Download> => {
    const wanted = { version, file, size, sha256, to, limits: IMPATIENT, ...options };
    const download = await downloadArtifact(mirrors, wanted);
    onTestFinished(() => closeSync(download.fd));
    return download;
  };
  return { servers, bytes, to, run };
}

const failures = ({ failed }: Download): string[] =>
  failed.map(({ mirror, error }) => `${mirror}: ${error.code}`);

describe('a download', () => {
  it('returns the descriptor that was written, with the right bytes', async () => {
    const { run, bytes, to } = await scene(undefined);
    const progress: number[] = [];
    const { fd, mirror, failed } = await run({ onProgress: (count) => progress.push(count) });
    const read = Buffer.alloc(bytes.length + 1);
    expect(readSync(fd, read, 0, read.length, 0)).toBe(bytes.length);
    expect(read.subarray(0, bytes.length)).toEqual(bytes);
    expect(readFileSync(to)).toEqual(bytes);
    expect([mirror, failed]).toEqual(['north', []]);
    expect(progress.at(-1)).toBe(bytes.length);
  });

  it.each<[string, Fault, string]>([
    ['cuts connections', { kind: 'drop-before' }, 'UNREACHABLE'],
    ['answers 500', { kind: 'status', status: 500 }, 'BAD_ANSWER'],
    ['answers late', { kind: 'delay', ms: 60_000 }, 'TOO_SLOW'],
    ['stalls', { kind: 'stall' }, 'TOO_SLOW'],
    ['trickles', { kind: 'slow', bytesPerSecond: 20_000 }, 'TOO_SLOW'],
    ['truncates', { kind: 'truncate' }, 'UNREACHABLE'],
    ['serves half as if it were whole', { kind: 'short' }, 'BAD_ANSWER'],
    ['serves wrong bytes', { kind: 'wrong-bytes' }, 'BAD_ANSWER'],
    ['serves HTML with 200', { kind: 'html' }, 'BAD_ANSWER'],
    ['serves a body without an end', { kind: 'endless' }, 'TOO_LARGE'],
    ['redirects elsewhere', { kind: 'redirect', to: 'http://127.0.0.1:9/x' }, 'REDIRECT_REFUSED'],
  ])('comes from the next mirror when one %s, and names it', async (_, fault, code) => {
    const { run, bytes, to } = await scene(fault, undefined);
    const told: string[] = [];
    const download = await run({
      onMirrorFailed: (mirror, error) => told.push(`${mirror}: ${error.code}`),
    });
    expect(download.mirror).toBe('south');
    expect(failures(download)).toEqual([`north: ${code}`]);
    expect(told).toEqual([`north: ${code}`]);
    expect(readFileSync(to)).toEqual(bytes);
  });

  it('comes from the next mirror when one is down or lacks the artifact', async () => {
    const { run, servers } = await scene(undefined, undefined, undefined);
    servers[1]?.rules.push({ fault: { kind: 'status', status: 404 } });
    await servers[0]?.stop();
    const download = await run();
    expect(download.mirror).toBe('east');
    expect(failures(download)).toEqual(['north: UNREACHABLE', 'south: NOT_FOUND']);
  });

  it('is patient with a slow mirror when it is the only one', async () => {
    const { run, bytes, to } = await scene({ kind: 'slow', bytesPerSecond: 400_000 });
    const download = await run({ limits: { minRate: 10_000_000, rateWindowMs: 100 } });
    expect(failures(download)).toEqual([]);
    expect(readFileSync(to)).toEqual(bytes);
  });

  it('goes back to a slow mirror when no other can serve it', async () => {
    const slow: Fault = { kind: 'slow', bytesPerSecond: 400_000 };
    const { run, bytes, to } = await scene(slow, { kind: 'status', status: 500 });
    const download = await run({ limits: { minRate: 10_000_000, rateWindowMs: 100 } });
    expect(download.mirror).toBe('north');
    expect(failures(download)).toEqual(['north: TOO_SLOW', 'south: BAD_ANSWER']);
    expect(readFileSync(to)).toEqual(bytes);
  });

  it('gives the only mirror up in the end', async () => {
    const { run } = await scene({ kind: 'stall' });
    const error = await errorOf(() => run({ patientLimits: { minRate: 1000, rateWindowMs: 200 } }));
    expect(error.code).toBe('TOO_SLOW');
  });

  it('names every mirror and its reason when none could serve it, and leaves nothing', async () => {
    const { run, to } = await scene({ kind: 'wrong-bytes' }, { kind: 'html' });
    const error = await errorOf(() => run());
    expect(error.message).toContain(
      "mirror 'north': 'web-ui-1.0.4.tar.zst' is not what was signed",
    );
    expect(error.message).toContain("mirror 'south': expected a file, found an HTML page");
    expect(existsSync(to)).toBe(false);
  });

  it.each([[undefined], ['ask whoever keeps them']])(
    'says what to do when none could serve it, in words for whoever asked: %s',
    async (hint) => {
      const expected = hint ?? "'mirrors status' shows which mirrors are up and complete";
      const lacks = { kind: 'status', status: 404 } as const;
      for (const faults of [[lacks], [lacks, lacks]]) {
        const { run } = await scene(...faults);
        const error = await errorOf(() => run(hint === undefined ? {} : { hint }));
        expect(error.hint).toBe(expected);
      }
    },
  );

  it('reads never more than was signed', async () => {
    const { run, bytes } = await scene(undefined);
    const error = await errorOf(() => run({ size: bytes.length - 1 }));
    expect(error.code).toBe('TOO_LARGE');
  });

  it.each(['other bytes', 'more than there will be'])(
    'begins anew over what an earlier one left: %s',
    async (what) => {
      const { run, bytes, to } = await scene({ kind: 'truncate' }, undefined);
      const rest = what === 'other bytes' ? Buffer.alloc(1000, 9) : undefined;
      writeFileSync(to, rest ?? Buffer.alloc(bytes.length * 2, 7));
      const { fd } = await run();
      expect(readFileSync(to)).toEqual(bytes);
      expect(fstatSync(fd).ino).toBe(lstatSync(to).ino);
    },
  );

  it('is read from the descriptor that was hashed, whoever puts another file in its place', async () => {
    const { run, bytes, to } = await scene(undefined);
    const { fd } = await run();
    writeFileSync(`${to}.evil`, 'evil');
    renameSync(`${to}.evil`, to);
    const read = Buffer.alloc(bytes.length);
    readSync(fd, read, 0, read.length, 0);
    expect(read).toEqual(bytes);
  });

  it('writes through no second name of a file', async () => {
    const { run, to } = await scene(undefined);
    const target = join(dirname(to), 'target');
    writeFileSync(target, 'precious');
    linkSync(target, to);
    expect((await errorOf(() => run())).message).toContain('it has another name too');
    expect(readFileSync(target, 'utf8')).toBe('precious');
  });

  it('writes through no link', async () => {
    const { run, to } = await scene(undefined);
    const target = join(temporaryFolder(), 'target');
    writeFileSync(target, 'precious');
    symlinkSync(target, to);
    await expect(run()).rejects.toThrow('ELOOP');
    expect(readFileSync(target, 'utf8')).toBe('precious');
  });

  it("tells its own disk's failure from a mirror's", async () => {
    const { run } = await scene(undefined, undefined);
    const folder = join(temporaryFolder(), 'folder');
    mkdirSync(folder);
    await expect(run({ to: folder })).rejects.toThrow('EISDIR');
    await expect(run({ to: join(folder, 'none', 'x') })).rejects.toThrow('ENOENT');
  });

  it('neither writes to nor removes what is not a regular file', async () => {
    const { run } = await scene(undefined);
    const fifo = join(temporaryFolder(), 'fifo');
    execFileSync('mkfifo', [fifo]);
    const error = await errorOf(() => run({ to: fifo }));
    expect(error.message).toBe(`cannot download to '${fifo}': it is not a regular file`);
    expect(lstatSync(fifo).isFIFO()).toBe(true);
  });

  it('stops with the reason it was given', async () => {
    const { run, to, bytes } = await scene({ kind: 'stall' }, undefined);
    const controller = new AbortController();
    const reason = new Error('enough');
    const half = Math.floor(bytes.length / 2);
    const onProgress = (count: number): void => {
      if (count >= half) controller.abort(reason);
    };
    const limits = { minRate: 1, rateWindowMs: 60_000 };
    await expect(run({ limits, signal: controller.signal, onProgress })).rejects.toBe(reason);
    expect(lstatSync(to).size).toBe(half);
  });
});
