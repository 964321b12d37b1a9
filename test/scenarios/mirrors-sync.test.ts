/** `mirrors sync`: a mirror that lags, lost its files or is new is completed from the others. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { publicKeyBase64, type SecretKey } from '@landfall/minisign';
import { describe, expect, it, onTestFinished } from 'vitest';
import { HEAD_PATH } from '../../mirrors/head.ts';
import { type CommandOptions, type Outcome, runCommand } from '../harness/command.ts';
import { directoryWriter } from '../harness/directory-subject.ts';
import { startFaultyMirror } from '../harness/faulty-mirror.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { fillMirror, mirrorFolder, put, smallRelease } from '../harness/mirror-folder.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const OTHER = 'releases/beta';
/** In names of temporary folders: which processes can be seen. */
const SPACE = statSync('/proc/self/ns/pid').ino;

async function sync(
  key: SecretKey,
  mirrors: readonly string[],
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Outcome> {
  const from = mirrors.flatMap((each) => ['--mirror', each]);
  const whom = ['--app', 'archipelago', '--key', publicKeyBase64(key.publicKey)];
  return runCommand('mirrors', ['sync', ...from, ...whom, ...args], options);
}

interface Row {
  name: string;
  state: string;
  kept: number;
  sent: number;
  lacking: { file: string; why: string }[];
  index: string[];
  problem: { code: string; message: string } | null;
}

const rowsOf = ({ stdout, stderr }: Outcome): Row[] => {
  if (stdout === '') throw new Error(stderr);
  return (JSON.parse(stdout) as { mirrors: Row[] }).mirrors;
};

/** Every file below a folder with its bytes, without the marker. */
function contentsOf(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return Object.fromEntries(
    files.toSorted().map((name) => [name, readFileSync(join(folder, name), 'base64')]),
  );
}

/** The same, of a mirror that was made by hand and so has no head. */
function withHead(folder: string): Record<string, unknown> {
  return { ...contentsOf(folder), [HEAD_PATH]: expect.any(String) };
}

/** Puts a release of the channel `beta` beside what is there. */
function addBeta(folder: string, key: SecretKey, sequence: number): void {
  const beta = smallRelease([key], sequence, (manifest) => {
    manifest.channel = 'beta';
  });
  const { version, file, bytes } = beta.artifact;
  put(folder, `releases/download/v${version}/${file}`, bytes);
  put(folder, `${OTHER}/manifest.json`, beta.bytes);
  put(folder, `${OTHER}/manifest.json.minisig`, beta.signature);
}

describe('mirrors sync between folders', () => {
  it('completes an empty mirror and one that lags, with every channel, byte for byte', async () => {
    const key = testKey();
    const whole = mirrorFolder(smallRelease([key], 4));
    addBeta(whole, key, 7);
    await directoryWriter(whole).writeIndex({ files: new Map() }, {});
    expect(existsSync(join(whole, HEAD_PATH))).toBe(true);
    const [empty, lagging] = [mirrorFolder(), mirrorFolder(smallRelease([key], 3))];
    const outcome = await sync(key, [whole, empty, lagging], ['--json']);
    expect([outcome.code, outcome.stderr]).toEqual([0, '']);
    expect(rowsOf(outcome).map(({ state, sent, kept }) => [state, sent, kept])).toEqual([
      ['right', 0, 2],
      ['completed', 2, 0],
      ['completed', 2, 0],
    ]);
    expect(contentsOf(empty)).toEqual(contentsOf(whole));
    expect(contentsOf(lagging)).toMatchObject(contentsOf(whole));
    const again = await sync(key, [whole, empty, lagging], ['--json']);
    expect(rowsOf(again).map(({ state }) => state)).toEqual(['right', 'right', 'right']);
  });

  it('replaces wrong and partial artifacts, and keeps what is right untouched', async () => {
    const key = testKey();
    const [whole, broken] = [1, 2].map(() => mirrorFolder(smallRelease([key], 4))) as [
      string,
      string,
    ];
    for (const each of [whole, broken]) addBeta(each, key, 7);
    const wrong = join(broken, 'releases/download/v1.0.4/web-ui-1.0.4.tar.zst');
    const right = join(broken, 'releases/download/v1.0.7/web-ui-1.0.7.tar.zst');
    writeFileSync(wrong, Buffer.alloc(statSync(wrong).size, 7));
    const before = statSync(right);
    const outcome = await sync(key, [whole, broken], ['--json', '--to', broken]);
    const [row] = rowsOf(outcome);
    expect(row).toMatchObject({ state: 'completed', sent: 1, kept: 1, index: [] });
    expect(row?.lacking[0]?.why).toMatch(/^sha256 .* in place of /);
    expect(contentsOf(broken)).toEqual(contentsOf(whole));
    expect([statSync(right).ino, statSync(right).mtimeMs]).toEqual([before.ino, before.mtimeMs]);
  });

  it('says in a dry run what is lacking, and changes nothing', async () => {
    const key = testKey();
    const [whole, empty] = [mirrorFolder(smallRelease([key], 4)), mirrorFolder()];
    const before = contentsOf(empty);
    const outcome = await sync(key, [whole, empty], ['--dry-run', '--to', empty]);
    expect(outcome.code).toBe(0);
    expect(outcome.stdout).toMatch(/lacks 'web-ui-1\.0\.4\.tar\.zst' \(\d+ KiB\): missing/);
    expect(contentsOf(empty)).toEqual(before);
  });

  it('takes an artifact from whoever serves it right, and nothing unverified arrives', async () => {
    const key = testKey();
    const release = smallRelease([key], 4);
    const [liar, honest, empty] = [mirrorFolder(release), mirrorFolder(release), mirrorFolder()];
    put(
      liar,
      `releases/download/v1.0.4/${release.artifact.file}`,
      Buffer.alloc(release.artifact.size),
    );
    const outcome = await sync(
      key,
      [liar, honest, empty],
      ['--json', '--from', liar, '--from', honest, '--to', empty],
    );
    expect(rowsOf(outcome)).toMatchObject([{ state: 'completed', sent: 1 }]);
    const alone = mirrorFolder();
    const refused = await sync(key, [liar, alone], ['--json', '--to', alone]);
    expect(refused.code).toBe(1);
    expect(rowsOf(refused)[0]?.problem?.message).toContain('is not what was signed');
    expect(existsSync(join(alone, 'releases/manifest.json'))).toBe(false);
    expect(existsSync(join(alone, 'releases/download/v1.0.4', release.artifact.file))).toBe(false);
  });

  it('believes no index that is not well signed', async () => {
    const [key, stranger] = [testKey(), testKey()];
    const [forged, empty] = [mirrorFolder(smallRelease([stranger], 9)), mirrorFolder()];
    const outcome = await sync(key, [forged, empty], ['--from', forged, '--to', empty]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('no source has a valid index');
    expect(readdirSync(empty)).toEqual(['landfall-mirror.json']);
  });

  it('says nothing of the index of a folder that is no mirror', async () => {
    const key = testKey();
    const [whole, folder] = [mirrorFolder(smallRelease([key], 4)), temporaryFolder()];
    const outcome = await sync(key, [whole], ['--to', folder]);
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toMatch(/^\S+ +failed +0 +0 +0 +-$/m);
  });

  it('copies no archive that the mode gate refuses, whoever signed it', async () => {
    const key = testKey();
    const bad = smallRelease([key], 4, () => undefined, 0o700);
    const [whole, empty] = [mirrorFolder(bad), mirrorFolder()];
    const outcome = await sync(key, [whole, empty], ['--json', '--to', empty]);
    expect(outcome.code).toBe(3);
    expect(rowsOf(outcome)[0]).toMatchObject({ state: 'failed', sent: 0 });
    expect(rowsOf(outcome)[0]?.problem).toMatchObject({
      code: 'ARCHIVE_REFUSED',
      message: expect.stringContaining('is drwx------ (0700), expected drwxr-xr-x') as string,
    });
    expect(readdirSync(empty)).toEqual(['landfall-mirror.json']);
  });

  it('copies nothing when two mirrors show different manifests of one sequence', async () => {
    const key = testKey();
    const other = smallRelease([key], 4, (manifest) => {
      manifest.notes = 'another';
    });
    const folders = [mirrorFolder(smallRelease([key], 4)), mirrorFolder(other), mirrorFolder()];
    const outcome = await sync(key, folders, []);
    expect(outcome.code).toBe(3);
    expect(outcome.stderr).toContain('different manifests of one sequence');
    expect(readdirSync(folders[2] ?? '')).toEqual(['landfall-mirror.json']);
  });

  it('never takes a mirror back to an older release', async () => {
    const key = testKey();
    const [old, current] = [
      mirrorFolder(smallRelease([key], 3)),
      mirrorFolder(smallRelease([key], 4)),
    ];
    const before = contentsOf(current);
    const outcome = await sync(key, [old, current], ['--from', old, '--to', current, '--json']);
    expect(outcome.code).toBe(1);
    expect(rowsOf(outcome)[0]?.problem?.message).toContain('is ahead of the sources');
    expect(contentsOf(current)).toEqual(before);
  });

  it('leaves a mirror that fails as a row, and completes the others', async () => {
    const key = testKey();
    const whole = mirrorFolder(smallRelease([key], 4));
    const gone = temporaryFolder();
    const outcome = await sync(key, [whole, gone, mirrorFolder()], ['--json']);
    expect(outcome.code).toBe(4);
    expect(rowsOf(outcome).map(({ state }) => state)).toEqual(['right', 'failed', 'completed']);
    const one = await sync(key, [whole, gone], ['--json', '--to', `${gone}/`]);
    expect([one.code, rowsOf(one).length]).toEqual([1, 1]);
    expect(rowsOf(outcome)[1]?.problem?.code).toBe('NOT_WRITABLE');
    expect(readdirSync(gone)).toEqual([]);
  });

  it.each([
    [
      ['--bandwidth', 'fast'],
      "--bandwidth: expected bytes a second such as 500K or 2M, found 'fast'",
    ],
    [['--to', 'nowhere'], "no mirror is named 'nowhere'"],
    [['--channel', 'Beta!'], '--channel: expected a channel name'],
  ])('refuses %s', async (args, words) => {
    const outcome = await sync(testKey(), [mirrorFolder()], args);
    expect([outcome.code, outcome.stderr]).toEqual([2, expect.stringContaining(words)]);
  });
});

describe('mirrors sync under a bandwidth', () => {
  it('reads and writes no faster than told, and as fast as it can when not told', async () => {
    const key = testKey();
    const release = smallRelease([key], 4);
    const server = await startFaultyMirror(mirrorFolder(release));
    onTestFinished(() => server.stop());
    // Three times: from the source, to the target, and back from it. A second's worth is free.
    const bytesPerSecond = Math.floor(release.artifact.size / 2);
    const time = async (args: readonly string[]): Promise<number> => {
      const started = performance.now();
      const outcome = await sync(
        key,
        [server.url, mirrorFolder()],
        ['--from', server.url, ...args],
      );
      expect(outcome.code).toBe(0);
      return performance.now() - started;
    };
    const [limited, free] = [await time(['--bandwidth', String(bytesPerSecond)]), await time([])];
    // Not their difference: on a busy machine either takes longer, and the limit holds all the same.
    expect(limited).toBeGreaterThan(4700);
    expect(free).toBeLessThan(limited);
    expect(limited - free).toBeLessThan(14_000);
  });
});

describe('mirrors sync cut off', () => {
  it.each([
    'sync-artifact-fetched',
    'mirror-part-written',
    'sync-artifact-sent',
    'sync-artifact-sent#2',
    'mirror-index-file-written',
    'sync-index-written',
  ])('at %s is finished by the next run, which sends only what lacks', async (point) => {
    const key = testKey();
    const whole = mirrorFolder(smallRelease([key], 4));
    addBeta(whole, key, 7);
    const empty = mirrorFolder();
    const args = ['--from', whole, '--to', empty, '--json'];
    const env = { LANDFALL_CRASH_AT: point, TMPDIR: temporaryFolder() };
    const killed = await sync(key, [whole, empty], args, { env });
    expect(killed.signal).toBe('SIGKILL');
    for (const name of ['', 'beta/']) requireNoPromiseBroken(empty, `releases/${name}`);
    const there = readdirSync(empty, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\/web-ui[^/]*$/.test(name),
    ).length;
    const [row] = rowsOf(await sync(key, [whole, empty], args));
    expect(row?.problem).toBeNull();
    expect([row?.sent, row?.kept]).toEqual([2 - there, there]);
    expect(contentsOf(empty)).toEqual(withHead(whole));
  });

  it('leaves a temporary folder that the next run takes over, and then removes', async () => {
    const key = testKey();
    const [whole, empty] = [mirrorFolder(smallRelease([key], 4)), mirrorFolder()];
    const args = ['--from', whole, '--to', empty];
    const TMPDIR = temporaryFolder();
    const foreign = join(TMPDIR, `landfall-sync-${SPACE}-others`);
    mkdirSync(foreign, { mode: 0o755 });
    const env = { LANDFALL_CRASH_AT: 'sync-artifact-fetched', TMPDIR };
    expect(await sync(key, [whole, empty], args, { env })).toMatchObject({ signal: 'SIGKILL' });
    // Another one that was killed even earlier.
    mkdirSync(join(TMPDIR, `landfall-sync-${SPACE}-zzzzzz`), { mode: 0o700 });
    expect(readdirSync(TMPDIR)).toHaveLength(3);
    const next = await sync(key, [whole, empty], args, { env: { TMPDIR } });
    expect([next.code, next.stderr]).toEqual([
      0,
      expect.stringContaining('web-ui-1.0.4.tar.zst: already here, from a run that was cut off'),
    ]);
    expect(next.stderr).not.toContain(" from '");
    expect(readdirSync(TMPDIR)).toEqual([basename(foreign)]);
    expect(contentsOf(empty)).toEqual(withHead(whole));
  });

  it('does not take what was left and is not whole', async () => {
    const key = testKey();
    const release = smallRelease([key], 4);
    const [whole, empty] = [mirrorFolder(release), mirrorFolder()];
    const TMPDIR = temporaryFolder();
    const left = join(TMPDIR, `landfall-sync-${SPACE}-abcdef`);
    mkdirSync(left, { mode: 0o700 });
    put(left, `1.0.4/${release.artifact.file}`, Buffer.alloc(release.artifact.size));
    const args = ['--from', whole, '--to', empty];
    const outcome = await sync(key, [whole, empty], args, { env: { TMPDIR } });
    expect([outcome.code, outcome.stderr]).toEqual([0, expect.stringMatching(/KiB from '/)]);
    expect(contentsOf(empty)).toEqual(withHead(whole));
    expect(readdirSync(TMPDIR)).toEqual([]);
  });

  /** An index is never ahead of its artifacts. */
  function requireNoPromiseBroken(folder: string, at: string): void {
    const path = join(folder, at, 'manifest.json');
    if (!existsSync(path)) return;
    const { version } = JSON.parse(readFileSync(path, 'utf8')) as { version: string };
    const artifacts = join(folder, `releases/download/v${version}`);
    expect(readdirSync(artifacts)).toContain(`web-ui-${version}.tar.zst`);
  }
});

describe('mirrors sync from a configuration', () => {
  it('knows mirrors by their names', async () => {
    const key = testKey();
    const cwd = temporaryFolder();
    const [north, south] = [mirrorFolder(smallRelease([key], 4)), mirrorFolder()];
    const mirrors = [
      { type: 'directory', name: 'north', path: north },
      { type: 'directory', name: 'south', path: south },
    ];
    const config = {
      app: 'archipelago',
      channel: 'alpha',
      mirrors,
      keys: { public: [publicKeyBase64(key.publicKey)] },
    };
    writeFileSync(join(cwd, 'release.config.ts'), `export default ${JSON.stringify(config)};\n`);
    const outcome = await runCommand('mirrors', ['sync', '--from', 'north', '--to', 'south'], {
      cwd,
    });
    expect([outcome.code, outcome.stdout]).toEqual([
      0,
      expect.stringMatching(/^south +completed +0 +1 +1 +the default channel$/m),
    ]);
    expect(contentsOf(south)).toEqual(withHead(north));
    fillMirror(north, smallRelease([key], 5));
    rmSync(dirname(join(north, 'releases/download/v1.0.4/x')), { recursive: true });
    const next = await runCommand('mirrors', ['sync'], { cwd });
    expect([next.code, next.stderr]).toEqual([
      0,
      expect.stringContaining("south: has 'web-ui-1.0.5.tar.zst'"),
    ]);
  });
});
