/** What is told of a download, and that it takes no more of the network than it may. */
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { Transfer } from '@landfall/cli';
import { downloadArtifact } from '@landfall/mirrors';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startProgress } from '../../../updater/effects/progress.ts';
import { openOwnMirrors } from '../../../updater/own-mirrors.ts';
import { makeHost } from '../../harness/host.ts';
import { fillMirror, smallRelease } from '../../harness/mirror-folder.ts';

const MIB = 1024 * 1024;

describe('a transfer', () => {
  it('tells what is here, the rate of the last seconds, and the time that is left', () => {
    const transfer = new Transfer(100 * MIB);
    expect(transfer.at(20 * MIB, 0)).toBe('20 MiB of 100 MiB');
    expect(transfer.at(30 * MIB, 5000)).toBe('30 MiB of 100 MiB, 2.0 MiB/s, 35.0 s left');
    expect(transfer.at(32 * MIB, 15_000)).toBe('32 MiB of 100 MiB, 819 KiB/s, 1 min 25 s left');
    // What it took over from another mirror may make it fall back.
    expect(transfer.at(10 * MIB, 16_000)).toBe('10 MiB of 100 MiB');
  });

  it('is drawn where somebody sees it, and told now and then where not', () => {
    const drawn: (string | undefined)[] = [];
    const notes: string[] = [];
    const host = {
      live: (line: string | undefined) => drawn.push(line) > 0,
      note: (line: string) => void notes.push(line),
    };
    const progress = startProgress(host, 'a.zst', MIB);
    progress.at(1024);
    progress.at(2048);
    progress.end();
    expect(drawn).toEqual(['a.zst: 1.0 KiB of 1.0 MiB', undefined]);
    expect(notes).toEqual([]);
  });
});

describe('the mirrors of a node', () => {
  it('are read no faster than it says', async () => {
    const host = makeHost({ top: 'bandwidth = "200KB/s"' });
    const release = smallRelease([], 4);
    const folder = join(host.paths.root, '..', 'mirror');
    fillMirror(folder, release);
    const { bytes: _bytes, ...wanted } = release.artifact;
    const started = performance.now();
    const to = join(folder, 'a.unverified');
    const { fd } = await downloadArtifact(openOwnMirrors(host.config), { ...wanted, to });
    onTestFinished(() => closeSync(fd));
    // 340,000 bytes, of which a second's worth come at once.
    expect(performance.now() - started).toBeGreaterThan(500);
    expect(host.config.bandwidth).toBe(200 * 1024);
  });

  it('cannot be limited to what is no rate', () => {
    expect(() => makeHost({ top: 'bandwidth = "fast"' })).toThrow(
      'expected bytes a second such as "2MB/s", found "fast"',
    );
  });
});
