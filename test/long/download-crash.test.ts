/**
 * A download from several mirrors at once that is killed at any moment, again
 * and again, or loses its power. What was right on the disk stays right, and
 * what the disk lost is fetched once more.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CrashDisk, type FileSystem, imageFolder } from '../harness/crash-disk.ts';
import { type KilledDownload, killedDownload } from '../harness/killed-download.ts';
import { seededRandom } from '../harness/random.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const SEEDS = [1, 2, 3, 4, 5, 6];
const RATE = 2_000_000;

/** Slow enough to be met in the middle. One of the mirrors lies. */
function slowDown({ servers }: KilledDownload): void {
  const path = /\/download\//;
  for (const { rules } of servers) {
    rules.push({ path, fault: { kind: 'slow', bytesPerSecond: RATE } });
  }
  servers[1]?.rules.unshift({ path, times: 2, fault: { kind: 'wrong-bytes' } });
}

describe('a download by frames', () => {
  it.each(SEEDS)('goes on, however often it is killed (seed %d)', async (seed) => {
    const random = seededRandom(seed);
    const download = await killedDownload();
    const { servers, right, start } = download;
    slowDown(download);
    for (let kills = 0; kills < 4; kills += 1) {
      const before = right();
      for (const { requests } of servers) requests.splice(0);
      const moment = random() * 1500;
      const ended = await start({}, async (kill) => {
        const isQuiet = (): boolean => servers.every(({ requests }) => requests.length === 0);
        // Not for long: perhaps there is nothing left to ask for.
        for (let tries = 0; tries < 400 && isQuiet(); tries += 1) await sleep(5);
        await sleep(moment);
        kill();
      });
      expect(ended).toMatch(/^(?:SIGKILL|from)/);
      expect(right(), 'what was right is written over').toEqual(expect.arrayContaining(before));
      if (ended !== 'SIGKILL') break;
    }
    await download.finish();
    expect(readdirSync(dirname(download.to))).toHaveLength(1);
  });
});

describe('a power cut in a download by frames', () => {
  it.each<[FileSystem, string]>([
    ['ext4', 'with its journal written'],
    ['ext4', 'at once'],
    ['xfs', 'at once'],
  ])('costs what was not on the disk (%s, %s)', async (kind, how) => {
    const disk = new CrashDisk(join(temporaryFolder(), 'disk'), imageFolder(), kind);
    disk.format();
    const download = await killedDownload(disk.mount);
    const kill = async (): Promise<number[]> => {
      const at = { LANDFALL_CRASH_AT: 'download-frame-counted#2' };
      expect(await download.start(at)).toBe('SIGKILL');
      return download.right();
    };
    const synced = await kill();
    disk.sync();
    expect((await kill()).length).toBeGreaterThan(synced.length);
    if (how !== 'at once') disk.commitJournal();
    disk.shutDown(2);
    await disk.reboot();
    expect(existsSync(download.to)).toBe(true);
    const left = download.right();
    expect(left).toEqual(expect.arrayContaining(synced));
    expect(left.length).toBeLessThan(download.frameCount);
    await download.finish();
  });
});
