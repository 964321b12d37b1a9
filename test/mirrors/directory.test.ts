/** The `directory` mirror: the conformance suite from the disk and over HTTP, and what is its own. */
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { openMirrors } from '@landfall/mirrors';
import { describe, expect, it, onTestFinished } from 'vitest';
import { MARKER_FILE } from '../../mirrors/layout.ts';
import { serveDirectory } from '../../mirrors/serve.ts';
import { directorySubject, directoryWriter, emptyMirror } from '../harness/directory-subject.ts';
import { errorOf } from '../harness/errors.ts';
import { filesOf } from '../harness/index-scene.ts';
import { temporaryFolder } from '../harness/temporary.ts';
import { describeMirror, makeArtifact } from './conformance.ts';

const LIMITS = { maxBytes: 1_000_000, deadlineMs: 10_000 };
/** Files of an index. */
const INDEX = ['releases/manifest.json', 'releases/manifest.json.minisig', 'releases/halt.json'];

const ARTIFACT = 'releases/download/v1.0.0/a.tar.zst';

/** What this process has open, by path. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

describeMirror('directory, from the disk by its path', async () => directorySubject(emptyMirror()));

describeMirror('directory, from a stick by a file: address', async () => {
  const path = emptyMirror();
  return directorySubject(path, pathToFileURL(path).href);
});

describeMirror('directory, over HTTP through our own server', async () => {
  const path = emptyMirror();
  const served = await serveDirectory(path, { host: '127.0.0.1', port: 0 });
  return { ...directorySubject(path, served.address), close: () => served.close() };
});

describe('a directory mirror', () => {
  it('is down, not empty, when its marker is not there', async () => {
    const path = temporaryFolder();
    const [reader] = openMirrors([{ type: 'directory', path }]);
    const read = await errorOf(() => reader?.readIndex('releases/manifest.json', LIMITS));
    expect(read.code).toBe('UNREACHABLE');
    expect(read.message).toContain(`no '${MARKER_FILE}' in it`);
    const writer = directoryWriter(path);
    for (const write of [
      () => writer.checkWritable({}),
      () => writer.ensureRelease({ version: '1.0.0', notes: '', prerelease: false, files: [] }, {}),
      () =>
        writer.writeIndex({ files: new Map([['releases/manifest.json', Buffer.from('{}')]]) }, {}),
    ]) {
      expect((await errorOf(write)).code).toBe('NOT_WRITABLE');
    }
    expect(readdirSync(path)).toEqual([]);
  });

  it('makes everything readable for others, whatever the umask', async () => {
    const before = process.umask(0o077);
    onTestFinished(() => void process.umask(before));
    const path = emptyMirror();
    const artifact = makeArtifact('a.tar.zst', 10);
    const writer = directoryWriter(path);
    await writer.ensureRelease({ version: '1.0.0', notes: '', prerelease: false, files: [] }, {});
    await writer.uploadArtifact('1.0.0', artifact.path, artifact);
    await writer.writeIndex(
      { files: new Map([['releases/beta/manifest.json', Buffer.from('{}')]]) },
      {},
    );
    const mode = (name: string): number => statSync(join(path, name)).mode & 0o777;
    expect(mode('releases/download/v1.0.0')).toBe(0o755);
    expect(mode('releases/beta')).toBe(0o755);
    expect(mode('releases/download/v1.0.0/a.tar.zst')).toBe(0o644);
    expect(mode('releases/beta/manifest.json')).toBe(0o644);
  });

  it.each([1, 2])('is as it was when look %i before the index ends it', async (last) => {
    const path = emptyMirror();
    const writer = directoryWriter(path);
    await writer.writeIndex({ files: filesOf(1) }, {});
    const names = ['releases/head.json', ...filesOf(1).keys()];
    const all = (): string[] => names.map((name) => readFileSync(join(path, name), 'utf8'));
    const before = all();
    let looks = 0;
    const look = async (read: (path: string, maxBytes: number) => Promise<unknown>) => {
      expect(await read('releases/manifest.json', 1000)).toEqual(
        filesOf(1).get('releases/manifest.json'),
      );
      looks += 1;
      if (looks === last) throw new Error('enough');
    };
    const written = writer.writeIndex({ files: filesOf(2) }, { before: look });
    await expect(written).rejects.toThrow('enough');
    expect(all()).toEqual(before);
  });

  it('is not written to when it is pulled while its index is', async () => {
    const path = emptyMirror();
    const writer = directoryWriter(path);
    let looks = 0;
    const before = async (read: (path: string, maxBytes: number) => Promise<unknown>) => {
      looks += 1;
      if (looks > 1)
        for (const each of readdirSync(path)) rmSync(join(path, each), { recursive: true });
      await read('releases/manifest.json', 1000);
    };
    const error = await errorOf(() => writer.writeIndex({ files: filesOf(1) }, { before }));
    expect([error.code, looks]).toEqual(['UNREACHABLE', 2]);
    expect(readdirSync(path)).toEqual([]);
  });

  it('finishes what a killed upload began, and leaves nothing beside it', async () => {
    const path = emptyMirror();
    const folder = join(path, 'releases/download/v1.0.0');
    mkdirSync(folder, { recursive: true });
    const artifact = makeArtifact('a.tar.zst', 100);
    const part = `.a.tar.zst.${artifact.sha256.slice(0, 12)}.part`;
    writeFileSync(join(folder, part), Buffer.alloc(5000, 9));
    const writer = directoryWriter(path);
    await writer.uploadArtifact('1.0.0', artifact.path, artifact);
    expect(readdirSync(folder)).toEqual(['a.tar.zst']);
    expect(statSync(join(folder, 'a.tar.zst')).size).toBe(100);
  });

  it.each(['readIndex', 'openArtifact', 'statArtifact'] as const)(
    'closes what opens only after %s was given up',
    async (how) => {
      const path = emptyMirror();
      const file = join(path, how === 'readIndex' ? 'releases/manifest.json' : ARTIFACT);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, '{}');
      const [reader] = openMirrors([{ type: 'directory', path }]);
      const stop = new AbortController();
      const limits = { ...LIMITS, signal: stop.signal };
      const read =
        how === 'readIndex'
          ? reader?.readIndex('releases/manifest.json', limits)
          : reader?.[how]('1.0.0', 'a.tar.zst', limits);
      stop.abort(new Error('given up'));
      await expect(read).rejects.toThrow('given up');
      // One that stays open ends the process when it is collected.
      await setTimeout(100);
      expect(openFiles()).not.toContain(file);
    },
  );

  it('reads regular files only', async () => {
    const path = emptyMirror();
    mkdirSync(join(path, 'releases/download/v1.0.0'), { recursive: true });
    mkdirSync(join(path, 'releases/download/v1.0.0/a.tar.zst'));
    symlinkSync('/dev/zero', join(path, 'releases/download/v1.0.0/b.zst'));
    const [reader] = openMirrors([{ type: 'directory', path }]);
    for (const file of ['a.tar.zst', 'b.zst']) {
      const error = await errorOf(() => reader?.openArtifact('1.0.0', file, LIMITS));
      expect(error.message).toContain('is not a regular file');
    }
  });

  it.each([
    ['a fifo', (path: string) => void execFileSync('mkfifo', [path])],
    ['a link to what has no end', (path: string) => symlinkSync('/dev/zero', path)],
  ])('is published to past %s in the place of its files', async (_, put) => {
    const path = emptyMirror();
    const folder = join(path, 'releases/download/v1.0.0');
    mkdirSync(folder, { recursive: true });
    const artifact = makeArtifact('a.tar.zst', 100);
    const index = [...INDEX, 'releases/head.json'].map((file) => join(path, file));
    for (const each of [...index, join(folder, artifact.file)]) put(each);
    const writer = directoryWriter(path);
    await writer.uploadArtifact('1.0.0', artifact.path, artifact);
    await writer.writeIndex({ files: new Map(INDEX.map((file) => [file, Buffer.from('{}')])) }, {});
    expect(readFileSync(join(folder, artifact.file))).toEqual(artifact.bytes);
    for (const file of INDEX) expect(readFileSync(join(path, file), 'utf8')).toBe('{}');
    expect(statSync(join(path, 'releases/head.json')).size).toBeLessThan(1000);
  });

  it('does not wait for a fifo in the place of an upload that was cut off', async () => {
    const path = emptyMirror();
    const folder = join(path, 'releases/download/v1.0.0');
    mkdirSync(folder, { recursive: true });
    const artifact = makeArtifact('a.tar.zst', 100);
    execFileSync('mkfifo', [join(folder, `.a.tar.zst.${artifact.sha256.slice(0, 12)}.part`)]);
    const error = await errorOf(() =>
      directoryWriter(path).uploadArtifact('1.0.0', artifact.path, artifact),
    );
    expect(error.code).toBe('NOT_WRITABLE');
  });

  it('says that it cannot be written when a folder is a file', async () => {
    const path = emptyMirror();
    rmSync(join(path, 'releases'), { recursive: true });
    writeFileSync(join(path, 'releases'), '');
    const error = await errorOf(() =>
      directoryWriter(path).ensureRelease(
        { version: '1.0.0', notes: '', prerelease: false, files: [] },
        {},
      ),
    );
    expect(error.message).toContain(join(path, 'releases'));
  });
});
