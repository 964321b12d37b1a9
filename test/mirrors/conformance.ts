/**
 * What every kind of mirror must do alike, as one suite. A kind's test file
 * calls `describeMirror` with how to set up a fresh, empty mirror of its kind.
 */
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import {
  type IndexUpdate,
  type Mirror,
  prepareIndexUpdate,
  type ReadOptions,
  type WritableMirror,
} from '@landfall/mirrors';
import { describe, expect, it, onTestFinished } from 'vitest';
import { digestOf, formatHead, HEAD_PATH } from '../../mirrors/head.ts';
import { errorOf } from '../harness/errors.ts';
import { temporaryFolder } from '../harness/temporary.ts';

/** A mirror that nothing was published to, seen from both sides. */
export interface Subject {
  reader: Mirror;
  writer: WritableMirror;
  /** A secret that must not be seen anywhere; undefined where there is none. */
  secret?: string;
  /** Puts bytes there under an artifact's name, behind the writer's back. The release was ensured. */
  plant: (version: string, file: string, bytes: Uint8Array) => Promise<void>;
  /** How many things stand there under the artifact's name, hidden leftovers included. */
  copies: (version: string, file: string) => Promise<number>;
  close: () => Promise<void>;
}

const LIMITS: ReadOptions = { maxBytes: 8 * 1024 * 1024, deadlineMs: 20_000 };
const VERSION = '1.2.3-beta.4';

/** Runs the suite over one kind of mirror. */
export function describeMirror(name: string, setUp: () => Promise<Subject>): void {
  const subject = async (): Promise<Subject> => {
    const made = await setUp();
    onTestFinished(() => made.close());
    return made;
  };
  describe(`a mirror: ${name}`, () => {
    describeEmpty(subject);
    describeArtifacts(subject);
    describeRepairs(subject);
    describeIndex(subject);
    describeReleases(subject);
    describeBounds(subject);
  });
}

type SetUp = () => Promise<Subject>;

function describeEmpty(setUp: SetUp): void {
  it('has nothing when nothing was published', async () => {
    const { reader } = await setUp();
    expect(await reader.readIndex('releases/manifest.json', LIMITS)).toBeUndefined();
    expect(await reader.openArtifact(VERSION, 'a.tar.zst', LIMITS)).toBeUndefined();
    expect(await reader.statArtifact(VERSION, 'a.tar.zst', LIMITS)).toBeUndefined();
  });

  it('tells before anything is changed that it may be written', async () => {
    const { reader, writer } = await setUp();
    const check = await writer.checkWritable({});
    expect(check.head).toBeUndefined();
    expect(await reader.openArtifact(VERSION, 'a.tar.zst', LIMITS)).toBeUndefined();
  });

  it('shows no secret', async () => {
    const { reader, writer, secret = 'no secret' } = await setUp();
    const seen = [reader, writer].flatMap((each) => [
      each.address,
      each.name,
      JSON.stringify(each),
      inspect(each, { depth: 10, showHidden: true }),
    ]);
    for (const text of seen) expect(text).not.toContain(secret);
    expect(reader.address).toBe(writer.address);
    expect(reader.name).toBe(writer.name);
    expect(reader.kind).toBe(writer.kind);
  });

  it('lets no name near a path or an address that is not plain', async () => {
    const { reader } = await setUp();
    for (const path of ['../secret', 'releases/../../x', '/etc/passwd', 'a//b', 'a/.git', '']) {
      const error = await errorOf(() => reader.readIndex(path, LIMITS));
      expect(error.code, path).toBe('CONFIG');
    }
    for (const file of ['../x', 'a/b', '.hidden', '', 'a\0b', 'a?b']) {
      const error = await errorOf(() => reader.openArtifact(VERSION, file, LIMITS));
      expect(error.code, file).toBe('CONFIG');
    }
  });
}

function describeArtifacts(setUp: SetUp): void {
  it('serves what was uploaded, byte for byte', async () => {
    const { reader, writer, copies } = await setUp();
    const artifact = makeArtifact('web-ui-1.2.3.tar.zst', 700_001);
    await ensure(writer, [artifact]);
    const progress: number[] = [];
    await writer.uploadArtifact(VERSION, artifact.path, {
      ...artifact,
      onProgress: (bytes) => progress.push(bytes),
    });
    expect(await read(reader, artifact.file)).toEqual(artifact.bytes);
    expect(await reader.statArtifact(VERSION, artifact.file, LIMITS)).toEqual({ size: 700_001 });
    expect(await copies(VERSION, artifact.file)).toBe(1);
    expect(progress.at(-1)).toBe(700_001);
  });

  it('takes the same upload again without a second copy', async () => {
    const { reader, writer, copies } = await setUp();
    const artifact = makeArtifact('a.tar.zst', 1000);
    for (let count = 0; count < 2; count += 1) {
      await ensure(writer, [artifact]);
      await writer.uploadArtifact(VERSION, artifact.path, artifact);
    }
    expect(await copies(VERSION, artifact.file)).toBe(1);
    expect(await read(reader, artifact.file)).toEqual(artifact.bytes);
  });

  it('takes several artifacts at once, and several releases', async () => {
    const { reader, writer } = await setUp();
    const artifacts = ['a.tar.zst', 'b.zst', 'c.zst'].map((file) => makeArtifact(file, 50_000));
    await ensure(writer, artifacts);
    await Promise.all(
      artifacts.map((each) => writer.uploadArtifact(VERSION, each.path, { ...each })),
    );
    const other = makeArtifact('a.tar.zst', 10);
    await ensure(writer, [other], '2.0.0');
    await writer.uploadArtifact('2.0.0', other.path, other);
    for (const each of artifacts) expect(await read(reader, each.file)).toEqual(each.bytes);
    expect(await read(reader, 'a.tar.zst', '2.0.0')).toEqual(other.bytes);
  });

  it('refuses a file that is not what it was said to be, and serves nothing of it', async () => {
    const { reader, writer } = await setUp();
    const artifact = makeArtifact('a.tar.zst', 100_000);
    await ensure(writer, [artifact]);
    writeFileSync(artifact.path, randomBytes(100_000));
    const error = await errorOf(() => writer.uploadArtifact(VERSION, artifact.path, artifact));
    expect(error.code).toBe('REJECTED');
    expect(error.message).toContain('is not what was to be uploaded');
    expect(await reader.openArtifact(VERSION, artifact.file, LIMITS)).toBeUndefined();
  });
}

function describeRepairs(setUp: SetUp): void {
  it.each([
    ['of another size', 10],
    ['of the same size', 5000],
  ])('replaces wrong bytes %s', async (_, size) => {
    const { reader, writer, plant, copies } = await setUp();
    const artifact = makeArtifact('a.tar.zst', 5000);
    await ensure(writer, [artifact]);
    await plant(VERSION, artifact.file, Buffer.alloc(size, 1));
    await writer.uploadArtifact(VERSION, artifact.path, artifact);
    expect(await read(reader, artifact.file)).toEqual(artifact.bytes);
    expect(await copies(VERSION, artifact.file)).toBe(1);
  });

  it('finds what somebody else uploaded, and keeps it', async () => {
    const { reader, writer, plant, copies } = await setUp();
    const artifact = makeArtifact('a.tar.zst', 5000);
    await ensure(writer, [artifact]);
    await plant(VERSION, artifact.file, artifact.bytes);
    await writer.uploadArtifact(VERSION, artifact.path, artifact);
    expect(await read(reader, artifact.file)).toEqual(artifact.bytes);
    expect(await copies(VERSION, artifact.file)).toBe(1);
  });
}

function describeIndex(setUp: SetUp): void {
  it('serves the index that was written, and the next, and the same again', async () => {
    const { reader, writer } = await setUp();
    const first = await indexFor(writer, { sequence: 1 }, '2026-04-22T19:00:00Z');
    await writer.writeIndex(first, {});
    expect(await served(reader, first)).toEqual(textsOf(first));
    const second = await indexFor(writer, { sequence: 2 }, '2026-04-23T19:00:00Z');
    await writer.writeIndex(second, {});
    await writer.writeIndex(second, {});
    expect(await served(reader, second)).toEqual(textsOf(second));
  });

  it('keeps the indexes of several channels side by side', async () => {
    const { reader, writer } = await setUp();
    const stable = await indexFor(writer, { channel: 'stable' }, '2026-04-22T19:00:00Z');
    await writer.writeIndex(stable, {});
    const beta = await indexFor(
      writer,
      { channel: 'beta' },
      '2026-04-22T20:00:00Z',
      'releases/beta/',
    );
    await writer.writeIndex(beta, {});
    expect(await served(reader, stable)).toEqual(textsOf(stable));
    expect(await served(reader, beta)).toEqual(textsOf(beta));
    const files = [...beta.files, ...stable.files].filter(([path]) => path.endsWith('.json'));
    expect(await reader.readIndex(HEAD_PATH, LIMITS), 'a head of all of them').toEqual(
      Buffer.from(formatHead(new Map(files.map(([path, bytes]) => [path, digestOf(bytes)]))) ?? ''),
    );
  });

  it('takes an index after a release, and a release after an index', async () => {
    const { reader, writer } = await setUp();
    const artifact = makeArtifact('a.tar.zst', 10);
    await ensure(writer, [artifact]);
    await writer.uploadArtifact(VERSION, artifact.path, artifact);
    const first = await indexFor(writer, { sequence: 1 }, '2026-04-22T19:00:00Z');
    await writer.writeIndex(first, {});
    await ensure(writer, [artifact], '2.0.0');
    await writer.uploadArtifact('2.0.0', artifact.path, artifact);
    expect(await served(reader, first)).toEqual(textsOf(first));
    expect(await read(reader, artifact.file, '2.0.0')).toEqual(artifact.bytes);
  });
}

function describeReleases(setUp: SetUp): void {
  async function publish(writer: WritableMirror, version: string, files: string[]): Promise<void> {
    const artifacts = files.map((file) => makeArtifact(file, 1000 + files.indexOf(file)));
    await ensure(writer, artifacts, version);
    for (const each of artifacts) await writer.uploadArtifact(version, each.path, each);
  }

  it('lists what is stored, and removes one version whole and no other', async () => {
    const { reader, writer } = await setUp();
    expect(await writer.listReleases({})).toEqual([]);
    await publish(writer, '1.0.0', ['a.zst', 'b.zst']);
    await publish(writer, '1.1.0-rc.1', ['a.zst']);
    const stored = await writer.listReleases({});
    const sorted = stored.toSorted((a, b) => (a.version < b.version ? -1 : 1));
    expect(sorted.map(({ version }) => version)).toEqual(['1.0.0', '1.1.0-rc.1']);
    const files = sorted[0]?.files.toSorted((a, b) => (a.file < b.file ? -1 : 1));
    expect(files).toEqual([
      { file: 'a.zst', size: 1000 },
      { file: 'b.zst', size: 1001 },
    ]);
    for (let count = 0; count < 2; count += 1) await writer.removeArtifacts('1.0.0', {});
    await writer.removeArtifacts('9.9.9', {});
    expect((await writer.listReleases({})).map(({ version }) => version)).toEqual(['1.1.0-rc.1']);
    expect(await reader.statArtifact('1.0.0', 'a.zst', LIMITS)).toBeUndefined();
    expect(await reader.statArtifact('1.1.0-rc.1', 'a.zst', LIMITS)).toEqual({ size: 1000 });
  });

  it('takes a version again that was removed', async () => {
    const { reader, writer } = await setUp();
    await publish(writer, '1.0.0', ['a.zst']);
    await writer.removeArtifacts('1.0.0', {});
    await publish(writer, '1.0.0', ['a.zst']);
    await writer.finishRelease('1.0.0', {});
    expect(await reader.statArtifact('1.0.0', 'a.zst', LIMITS)).toEqual({ size: 1000 });
  });
}

function describeBounds(setUp: SetUp): void {
  it('reads no more than the bound', async () => {
    const { reader, writer } = await setUp();
    const artifact = makeArtifact('a.tar.zst', 300_000);
    await ensure(writer, [artifact]);
    await writer.uploadArtifact(VERSION, artifact.path, artifact);
    await writer.writeIndex(
      await indexFor(writer, { pad: 'x'.repeat(5000) }, '2026-04-22T19:00:00Z'),
      {},
    );
    const index = await errorOf(() =>
      reader.readIndex('releases/manifest.json', { ...LIMITS, maxBytes: 4000 }),
    );
    expect(index.code).toBe('TOO_LARGE');
    const body = await errorOf(async () => {
      const stream = await reader.openArtifact(VERSION, artifact.file, {
        ...LIMITS,
        maxBytes: 299_999,
      });
      for await (const chunk of stream?.body ?? []) expect(chunk.length).toBeGreaterThan(0);
    });
    expect(body.code).toBe('TOO_LARGE');
  });

  it('sends a part of an artifact, or all of it and says so', async () => {
    const { reader, writer } = await setUp();
    const artifact = makeArtifact('a.tar.zst', 300_000);
    await ensure(writer, [artifact]);
    await writer.uploadArtifact(VERSION, artifact.path, artifact);
    const span = { start: 100_000, end: 200_000 };
    const stream = await reader.openArtifact(VERSION, artifact.file, { ...LIMITS, span });
    expect(stream).toMatchObject({ size: 300_000 });
    expect([0, span.start]).toContain(stream?.start);
    const sent: Uint8Array[] = [];
    for await (const chunk of stream?.body ?? []) sent.push(chunk);
    const from = span.start - (stream?.start ?? 0);
    const part = Buffer.concat(sent).subarray(from, from + 100_000);
    expect(part.equals(artifact.bytes.subarray(span.start, span.end))).toBe(true);
  });

  it('can be read again after a body that was left early', async () => {
    const { reader, writer } = await setUp();
    const artifact = makeArtifact('a.tar.zst', 3_000_000);
    await ensure(writer, [artifact]);
    await writer.uploadArtifact(VERSION, artifact.path, artifact);
    const unread = await reader.openArtifact(VERSION, artifact.file, LIMITS);
    await unread?.body.return?.();
    const begun = await reader.openArtifact(VERSION, artifact.file, LIMITS);
    await begun?.body.next();
    await begun?.body.return?.();
    expect(await read(reader, artifact.file)).toEqual(artifact.bytes);
  });

  it('stops when it is told to, with the reason it was given', async () => {
    const { reader } = await setUp();
    const reason = new Error('enough');
    const options = { ...LIMITS, signal: AbortSignal.abort(reason) };
    await expect(reader.readIndex('releases/manifest.json', options)).rejects.toBe(reason);
    await expect(reader.openArtifact(VERSION, 'a.zst', options)).rejects.toBe(reason);
  });
}

interface Artifact {
  file: string;
  path: string;
  bytes: Buffer;
  size: number;
  sha256: string;
}

/** An artifact on this machine's disk, with random content. */
export function makeArtifact(file: string, size: number): Artifact {
  const bytes = randomBytes(size);
  const path = join(temporaryFolder(), file);
  writeFileSync(path, bytes);
  return { file, path, bytes, size, sha256: createHash('sha256').update(bytes).digest('hex') };
}

async function ensure(
  writer: WritableMirror,
  files: readonly Artifact[],
  version = VERSION,
): Promise<void> {
  await writer.ensureRelease({ version, notes: 'notes', prerelease: false, files }, {});
}

async function read(reader: Mirror, file: string, version = VERSION): Promise<Buffer | undefined> {
  const stream = await reader.openArtifact(version, file, LIMITS);
  if (stream === undefined) return undefined;
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream.body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function indexFor(
  writer: WritableMirror,
  manifest: unknown,
  date: string,
  folder = 'releases/',
): Promise<IndexUpdate> {
  const text = `${JSON.stringify(manifest)}\n`;
  return prepareIndexUpdate({
    mirrors: [writer],
    files: new Map([
      [`${folder}manifest.json`, Buffer.from(text)],
      [`${folder}manifest.json.minisig`, Buffer.from(`signature of ${text}`)],
    ]),
    message: 'Release 1.2.3',
    date,
    repository: join(temporaryFolder(), 'index.git'),
  });
}

/** What the mirror serves under the update's paths, as text. */
async function served(reader: Mirror, update: IndexUpdate): Promise<string[]> {
  const texts: string[] = [];
  for (const path of update.files.keys()) {
    const found = await reader.readIndex(path, LIMITS);
    texts.push(found === undefined ? 'nothing' : Buffer.from(found).toString('utf8'));
  }
  return texts;
}

function textsOf(update: IndexUpdate): string[] {
  return [...update.files.values()].map((bytes) => Buffer.from(bytes).toString('utf8'));
}
