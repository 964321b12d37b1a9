/** `mirrors audit`: one fault is put into one of three mirrors, and exactly that is found. */
import {
  createReadStream,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '@landfall/manifest';
import { publicKeyBase64, type SecretKey } from '@landfall/minisign';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type CommandOptions, type Outcome, runCommand } from '../harness/command.ts';
import { REPOSITORY } from '../harness/gitea-scene.ts';
import { startGiteaStandIn } from '../harness/gitea-stand-in/server.ts';
import { startFaultyServer } from '../harness/http-faults.ts';
import { testKey } from '../harness/minisign-keys.ts';
import {
  fillMirror,
  mirrorFolder,
  put,
  type SmallRelease,
  smallRelease,
} from '../harness/mirror-folder.ts';
import { sha256 } from '../harness/signed-manifests.ts';
import { temporaryFolder } from '../harness/temporary.ts';
import { startTlsServer } from '../harness/tls-server.ts';

interface Found {
  mirrors: { name: string; right: boolean; artifacts: { right: number; total: number } }[];
  findings: { mirror: string; code: string; severity: string; message: string; fix: string }[];
}

/** Releases 3 and 4 of one chain, not expired. */
function makeChain(key: SecretKey): [SmallRelease, SmallRelease] {
  const third = fresh(key, 3);
  const previous = { sequence: 3, sha256: sha256(third.bytes) };
  return [third, fresh(key, 4, (manifest) => (manifest.previous = previous))];
}

function fresh(
  key: SecretKey,
  sequence: number,
  change?: (manifest: Manifest) => void,
): SmallRelease {
  return smallRelease([key], sequence, (manifest) => {
    manifest.expires = '2099-01-01T00:00:00Z';
    change?.(manifest);
  });
}

async function audit(
  key: SecretKey,
  mirrors: readonly string[],
  options: CommandOptions & { command?: string; json?: boolean } = {},
): Promise<Outcome> {
  const given = mirrors.flatMap((each) => ['--mirror', each]);
  const whom = ['--app', 'archipelago', '--key', publicKeyBase64(key.publicKey)];
  const json = options.json === false ? [] : ['--json'];
  return runCommand('mirrors', [options.command ?? 'audit', ...given, ...whom, ...json], options);
}

const read = ({ stdout, stderr }: Outcome): Found => {
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Found;
};

/** A folder served over HTTP with more headers. */
async function serve(folder: string, headers: Record<string, string> = {}): Promise<string> {
  const server = await startFaultyServer(async (request) => {
    const file = join(folder, request.url ?? '/');
    return existsSync(file) && !file.endsWith('/')
      ? {
          status: 200,
          headers: { 'content-type': 'application/octet-stream', ...headers },
          body: { file },
        }
      : { status: 404, headers: { 'content-type': 'text/plain', ...headers }, body: '404\n' };
  });
  onTestFinished(() => server.stop());
  return server.url;
}

const ARTIFACT = 'releases/download/v1.0.4/web-ui-1.0.4.tar.zst';
const INDEX = 'releases/manifest.json';

describe('mirrors audit', () => {
  it('finds nothing where nothing is wrong', async () => {
    const key = testKey();
    const [, release] = makeChain(key);
    const outcome = await audit(key, [mirrorFolder(release), await serve(mirrorFolder(release))]);
    expect(outcome.code).toBe(0);
    expect(read(outcome)).toMatchObject({
      findings: [],
      mirrors: [1, 2].map(() => ({ right: true, artifacts: { right: 1, total: 1 } })),
    });
  });

  it.each<[string, string, string, (folder: string, key: SecretKey) => void, RegExp]>([
    [
      'an artifact is missing',
      'ARTIFACT_MISSING',
      'error',
      (folder) => rmSync(join(folder, ARTIFACT)),
      /names 'web-ui-1\.0\.4\.tar\.zst' of release 1\.0\.4, which is not there/,
    ],
    [
      'an artifact has other bytes',
      'ARTIFACT_WRONG',
      'error',
      (folder) => flip(join(folder, ARTIFACT)),
      /is not what was signed: sha256/,
    ],
    [
      'an artifact is cut short',
      'ARTIFACT_WRONG',
      'error',
      (folder) => put(folder, ARTIFACT, 'short'),
      /5 bytes in place of/,
    ],
    [
      'the index is old',
      'STALE',
      'error',
      (folder, key) => fillMirror(folder, makeChain(key)[0]),
      /expected sequence 4, found 3/,
    ],
    [
      'the index was edited',
      'BAD_SIGNATURE',
      'error',
      (folder) =>
        put(folder, INDEX, readFileSync(join(folder, INDEX), 'utf8').replace('1.0.4', '1.0.5')),
      /sign/,
    ],
    [
      'the signature is gone',
      'BAD_SIGNATURE',
      'error',
      (folder) => rmSync(join(folder, `${INDEX}.minisig`)),
      /sign/,
    ],
    [
      'there is no index',
      'INDEX_MISSING',
      'error',
      (folder) => rmSync(join(folder, INDEX)),
      /has no 'releases\/manifest\.json'/,
    ],
    [
      'the index is of another app',
      'INDEX_INVALID',
      'error',
      (folder, key) =>
        fillMirror(
          folder,
          fresh(key, 9, (each) => (each.app = 'other')),
        ),
      /another app/,
    ],
    [
      'the index is larger than any is',
      'INDEX_INVALID',
      'error',
      (folder) => put(folder, INDEX, Buffer.alloc(2_000_000)),
      /is too large/,
    ],
    [
      'the stick is not mounted',
      'UNREACHABLE',
      'error',
      (folder) => rmSync(folder, { recursive: true }),
      /is not a mirror/,
    ],
  ])('finds that %s', async (_, code, severity, harm, words) => {
    const key = testKey();
    const [, release] = makeChain(key);
    const folders = [1, 2, 3].map(() => mirrorFolder(release));
    const [, bad = ''] = folders;
    harm(bad, key);
    const outcome = await audit(key, folders);
    const { findings, mirrors } = read(outcome);
    expect(findings.map((each) => [each.code, each.severity])).toEqual([[code, severity]]);
    expect(findings[0]?.message).toMatch(words);
    expect(findings[0]?.mirror).toBe(mirrors[1]?.name);
    expect(findings[0]?.fix).toMatch(
      new RegExp(`^mirrors sync --to ${mirrors[1]?.name} --mirror `),
    );
    expect(mirrors.map(({ right }) => right)).toEqual([true, false, true]);
    expect(outcome.code).toBe(4);
  });

  it('gives a command that repairs, as it stands', async () => {
    const key = testKey();
    const [, release] = makeChain(key);
    const folders = [mirrorFolder(release), mirrorFolder(release)];
    rmSync(join(folders[1] ?? '', 'releases/download'), { recursive: true });
    const { findings } = read(await audit(key, folders));
    const [program = '', ...args] = findings[0]?.fix.split(' ') ?? [];
    expect(program).toBe('mirrors');
    expect((await runCommand('mirrors', args)).code).toBe(0);
    expect((await audit(key, folders)).code).toBe(0);
  });

  it('counts an index of 775 entries without a single file, and repairs it with one command', async () => {
    const key = testKey();
    const promises = smallRelease([key], 4, (manifest) => {
      const [webUi] = manifest.components;
      const [only] = webUi?.kind === 'tree' ? webUi.artifacts : [];
      if (webUi?.kind !== 'tree' || only === undefined) throw new Error('no web UI');
      const artifactsOf = (name: string): (typeof only)[] =>
        Array.from({ length: 25 }, (_, index) => ({
          ...only,
          platform: `linux-m${index}`,
          file: `${name}-1.0.4-linux-m${index}.tar.zst`,
        }));
      manifest.components = Array.from({ length: 31 }, (_, index) => ({
        ...webUi,
        name: `part-${index}`,
        artifacts: artifactsOf(`part-${index}`),
      }));
    });
    const empty = mirrorFolder(promises);
    rmSync(join(empty, 'releases/download'), { recursive: true });
    const outcome = await audit(key, [empty]);
    expect(outcome.code).toBe(1);
    const { findings, mirrors } = read(outcome);
    expect(findings.filter(({ code }) => code === 'ARTIFACT_MISSING')).toHaveLength(775);
    expect(mirrors[0]).toMatchObject({ right: false, artifacts: { right: 0, total: 775 } });
    const { stdout } = await audit(key, [empty], { command: 'doctor', json: false });
    expect(stdout).toContain('  - and 770 more\n  $ mirrors sync --to ');
    expect(stdout.split('\n').length).toBeLessThan(20);
  });

  it('raises an alarm for two manifests of one sequence, with exit code 3', async () => {
    const key = testKey();
    const [, release] = makeChain(key);
    const other = fresh(key, 4, (manifest) => {
      manifest.notes = 'another';
      manifest.previous = release.manifest.previous;
    });
    const outcome = await audit(key, [mirrorFolder(release), mirrorFolder(other)]);
    expect(outcome.code).toBe(3);
    const { findings } = read(outcome);
    expect(findings.map(({ code, severity }) => [code, severity])).toEqual([
      ['EQUIVOCATION', 'alarm'],
      ['EQUIVOCATION', 'alarm'],
    ]);
    for (const each of [release, other])
      expect(findings[0]?.message).toContain(sha256(each.bytes).slice(0, 12));
  });

  it('finds a manifest whose predecessor is not the one that another mirror serves', async () => {
    const key = testKey();
    const [third] = makeChain(key);
    const forked = fresh(
      key,
      4,
      (manifest) => (manifest.previous = { sequence: 3, sha256: 'f'.repeat(64) }),
    );
    const outcome = await audit(key, [mirrorFolder(forked), mirrorFolder(third)]);
    const codes = read(outcome).findings.map(
      ({ mirror, code }) => `${mirror === read(outcome).mirrors[0]?.name} ${code}`,
    );
    expect(codes).toEqual(['true CHAIN_BROKEN', 'false STALE']);
    expect(outcome.code).toBe(1);
  });

  it('reads what git remembers: a chain that broke between two commits', async () => {
    const key = testKey();
    const server = await startGiteaStandIn({ repository: REPOSITORY });
    onTestFinished(() => server.close());
    const [third, fourth] = makeChain(key);
    const stick = mirrorFolder(third);
    const gitea = `gitea:${server.url}/${REPOSITORY}`;
    const whom = ['--app', 'archipelago', '--key', publicKeyBase64(key.publicKey)];
    const args = ['sync', '--mirror', stick, ...whom, '--from', stick, '--to', gitea];
    const env = { GITEA_TOKEN: server.token };
    for (const release of [third, fourth]) {
      fillMirror(stick, release);
      expect((await runCommand('mirrors', args, { env })).code).toBe(0);
    }
    expect(read(await audit(key, [gitea])).findings).toEqual([]);
    const fifth = fresh(
      key,
      5,
      (manifest) => (manifest.previous = { sequence: 4, sha256: 'e'.repeat(64) }),
    );
    fillMirror(stick, fifth);
    expect((await runCommand('mirrors', args, { env })).code).toBe(0);
    const { findings } = read(await audit(key, [gitea]));
    expect(findings.map(({ code }) => code)).toEqual(['CHAIN_BROKEN']);
    expect(findings[0]?.message).toContain(sha256(fourth.bytes).slice(0, 12));
  });

  it('looks at every channel that a folder has', async () => {
    const key = testKey();
    const [, release] = makeChain(key);
    const folder = mirrorFolder(release);
    const beta = fresh(key, 7, (manifest) => (manifest.channel = 'beta'));
    put(folder, 'releases/beta/manifest.json', beta.bytes);
    put(folder, 'releases/beta/manifest.json.minisig', beta.signature);
    const outcome = await audit(key, [folder]);
    expect(read(outcome).findings).toMatchObject([
      { code: 'ARTIFACT_MISSING', message: expect.stringContaining('1.0.7') },
    ]);
  });

  it('finds a release that has expired', async () => {
    const key = testKey();
    const outcome = await audit(key, [mirrorFolder(smallRelease([key], 4))]);
    expect([outcome.code, read(outcome).findings]).toMatchObject([
      1,
      [{ code: 'EXPIRED', fix: 'release renew' }],
    ]);
  });

  it.each([
    [-11 * 60_000, 'behind ours'],
    [3 * 3_600_000, 'ahead of ours'],
  ])(
    'warns of a clock that is off by %s ms, and the mirror is right all the same',
    async (skew, words) => {
      const key = testKey();
      const [, release] = makeChain(key);
      const date = new Date(Date.now() + skew).toUTCString();
      const outcome = await audit(key, [await serve(mirrorFolder(release), { date })]);
      expect([outcome.code, read(outcome)]).toMatchObject([
        4,
        {
          mirrors: [{ right: true }],
          findings: [
            { code: 'CLOCK_SKEW', severity: 'warning', message: expect.stringContaining(words) },
          ],
        },
      ]);
    },
  );

  it.each<[number, string[]]>([
    [20, ['CERTIFICATE_EXPIRES']],
    [30, []],
  ])('looks how long a certificate is good: %s days', async (days, codes) => {
    const key = testKey();
    const folder = mirrorFolder(makeChain(key)[1]);
    const { url, ca } = await startTlsServer((request, response) => {
      const file = join(folder, request.url ?? '/');
      response.writeHead(existsSync(file) ? 200 : 404, {
        'content-type': 'application/octet-stream',
      });
      if (existsSync(file) && request.method === 'GET') createReadStream(file).pipe(response);
      else response.end();
    }, days);
    const outcome = await audit(key, [url], { env: { NODE_EXTRA_CA_CERTS: ca } });
    const { findings, mirrors } = read(outcome);
    expect(findings.map(({ code }) => code)).toEqual(codes);
    expect([mirrors[0]?.right, outcome.code]).toEqual([true, codes.length === 0 ? 0 : 4]);
  });

  it('changes nothing and leaves nothing behind', async () => {
    const key = testKey();
    const TMPDIR = temporaryFolder();
    expect((await audit(key, [mirrorFolder(makeChain(key)[1])], { env: { TMPDIR } })).code).toBe(0);
    expect(readdirSync(TMPDIR)).toEqual([]);
  });

  function flip(path: string): void {
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(1000) ^ 1, 1000);
    writeFileSync(path, bytes);
  }
});

describe('mirrors doctor', () => {
  it('says it in plain words with the one command that repairs it', async () => {
    const key = testKey();
    const [, release] = makeChain(key);
    const folders = [mirrorFolder(release), mirrorFolder(release)];
    rmSync(join(folders[1] ?? '', ARTIFACT));
    const { code, stdout } = await audit(key, folders, { command: 'doctor', json: false });
    expect(code).toBe(4);
    expect(stdout).toMatch(
      /^1 of 2 mirrors is right\n\n\S+: It promises files that it does not have/,
    );
    expect(stdout).toMatch(/^ {2}\$ mirrors sync --to \S+ --mirror /m);
    expect(stdout.match(/^ {2}\$ /gm)).toHaveLength(1);
  });

  it('says that there is nothing to do', async () => {
    const key = testKey();
    const { code, stdout } = await audit(key, [mirrorFolder(makeChain(key)[1])], {
      command: 'doctor',
      json: false,
    });
    expect([code, stdout]).toEqual([0, '1 of 1 mirrors is right; there is nothing to do\n']);
  });
});
