/**
 * Manifests that are well signed and contradict themselves: the SHA-256 that people compare is of
 * one content, and what nodes go by (ranges, what it unpacks to) of another. No mirror is to
 * blame, and it is told as an alarm, whatever the mirrors serve.
 */
import { createHash } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { type FileArtifact, hostPlatform, type TreeArtifact } from '@landfall/manifest';
import { publicKeyBase64, type SecretKey } from '@landfall/minisign';
import { describe, expect, it } from 'vitest';
import { launcherOf, type Outcome, runCommand } from '../harness/command.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { mirrorFolder, put, type SmallRelease, smallRelease } from '../harness/mirror-folder.ts';
import { sha256 } from '../harness/signed-manifests.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const noise = (seed: string): Buffer =>
  createHash('shake256', { outputLength: 5000 }).update(seed).digest();
const SERVER = { file: 'server-1.0.4.zst', content: noise('honest') };
const HONEST = zstdCompressSync(SERVER.content);
const EVIL = zstdCompressSync(noise('evil'));

/** A release of a tree and a file, as its maintainers would make it but for `change`. */
function released(
  key: SecretKey,
  change: (server: FileArtifact, webUi: TreeArtifact) => void,
): SmallRelease {
  return smallRelease([key], 4, (manifest) => {
    manifest.expires = '2099-01-01T00:00:00Z';
    const server: FileArtifact = {
      platform: hostPlatform(),
      file: SERVER.file,
      size: HONEST.length,
      sha256: sha256(HONEST),
      mode: 0o755,
      contentSha256: sha256(SERVER.content),
      contentSize: SERVER.content.length,
      deltas: [],
    };
    const [webUi] = manifest.components[0]?.artifacts ?? [];
    if (webUi === undefined || !('tree' in webUi)) throw new Error('the small release changed');
    change(server, webUi as TreeArtifact);
    manifest.components.push({ name: 'server', kind: 'file', artifacts: [server] });
  });
}

function mirrorOf(release: SmallRelease, server: Uint8Array = HONEST): string {
  const folder = mirrorFolder(release);
  put(folder, `releases/download/v1.0.4/${SERVER.file}`, server);
  return folder;
}

const rangesOf = (bytes: Uint8Array): { size: number; sha256: string }[] =>
  [bytes.subarray(0, 1000), bytes.subarray(1000)].map((each) => ({
    size: each.length,
    sha256: sha256(each),
  }));

async function mirrors(key: SecretKey, command: string, ...args: string[]): Promise<Outcome> {
  const whom = ['--app', 'archipelago', '--key', publicKeyBase64(key.publicKey)];
  return runCommand('mirrors', [command, ...whom, ...args]);
}

const evilServer = (server: FileArtifact): void => {
  server.contentSha256 = sha256(noise('evil'));
};

type Row = [string, Parameters<typeof released>[1], Uint8Array, RegExp];
const ROWS: Row[] = [
  [
    'ranges of other bytes',
    (server) => {
      server.frames = rangesOf(EVIL);
      evilServer(server);
    },
    HONEST,
    /'server-1\.0\.4\.zst'.* bytes of its sha256 .* are not those of its frames/,
  ],
  [
    'ranges of other bytes, which a mirror serves',
    (server) => {
      server.frames = rangesOf(EVIL);
      evilServer(server);
    },
    EVIL,
    /'server-1\.0\.4\.zst'.* bytes of its frames have sha256/,
  ],
  ['other content', evilServer, HONEST, /'server-1\.0\.4\.zst'.* unpacks to another file/],
  [
    'another size of its content',
    (server) => (server.contentSize += 1),
    HONEST,
    /'server-1\.0\.4\.zst'.* unpacks to another file/,
  ],
  [
    'another tree',
    (_, webUi) => (webUi.tree.digest = 'e'.repeat(64)),
    HONEST,
    /'web-ui-1\.0\.4\.tar\.zst'.* unpacks to another tree/,
  ],
];

describe('a signed manifest that contradicts itself', () => {
  it('is not one that tells the ranges and the content of its bytes', async () => {
    expect(EVIL.length).toBe(HONEST.length);
    const key = testKey();
    const folder = mirrorOf(released(key, (server) => (server.frames = rangesOf(HONEST))));
    expect(await mirrors(key, 'audit', '--mirror', folder)).toMatchObject({ code: 0 });
    const empty = mirrorFolder();
    expect(await mirrors(key, 'sync', '--mirror', folder, '--to', empty)).toMatchObject({
      code: 0,
    });
    const spoilt = mirrorOf(
      released(key, (server) => (server.frames = rangesOf(HONEST))),
      EVIL,
    );
    const wrong = await mirrors(key, 'audit', '--json', '--mirror', spoilt);
    expect(JSON.parse(wrong.stdout).findings).toMatchObject([{ code: 'ARTIFACT_WRONG' }]);
  });

  it.each(ROWS)('by %s: is an alarm of an audit', async (_, change, served, words) => {
    const key = testKey();
    const folder = mirrorOf(released(key, change), served);
    const audited = await mirrors(key, 'audit', '--json', '--mirror', folder);
    expect(audited.code).toBe(3);
    const { findings, mirrors: read } = JSON.parse(audited.stdout);
    expect(findings).toMatchObject([
      {
        code: 'CONTRADICTION',
        severity: 'alarm',
        message: expect.stringMatching(words),
        fix: "release halt 1.0.4 --reason 'its manifest contradicts itself'",
      },
    ]);
    expect(read).toMatchObject([{ right: false, artifacts: { right: 1, total: 2 } }]);
  });

  it.each(ROWS)('by %s: is copied to no mirror', async (_, change, served, words) => {
    const key = testKey();
    const folder = mirrorOf(released(key, change), served);
    const empty = mirrorFolder();
    const synced = await mirrors(key, 'sync', '--json', '--mirror', folder, '--to', empty);
    expect(synced.code).toBe(3);
    expect(JSON.parse(synced.stdout).mirrors).toMatchObject([
      {
        state: 'failed',
        problem: { code: 'MANIFEST_CONTRADICTION', message: expect.stringMatching(words) },
      },
    ]);
    expect(existsSync(join(empty, 'releases/manifest.json'))).toBe(false);
  });

  it('is not looked for where the disk has no room, and that is told', async () => {
    const key = testKey();
    const folder = mirrorOf(released(key, evilServer));
    const launcher = join(temporaryFolder(), 'mirrors');
    writeFileSync(launcher, `#!/bin/sh\nulimit -f 4\nexec '${launcherOf('mirrors')}' "$@"\n`, {
      mode: 0o755,
    });
    const whom = ['--app', 'archipelago', '--key', publicKeyBase64(key.publicKey)];
    const args = ['audit', '--json', ...whom, '--mirror', folder];
    const { code, stdout } = await runCommand('mirrors', args, { launcher });
    expect(code).toBe(4);
    const { findings, mirrors: read } = JSON.parse(stdout);
    expect(findings).toMatchObject([
      { code: 'NOT_UNPACKED', severity: 'warning', message: expect.stringContaining('web-ui-') },
      { code: 'NOT_UNPACKED', severity: 'warning', message: expect.stringContaining(SERVER.file) },
    ]);
    expect(read).toMatchObject([{ right: true, artifacts: { right: 2, total: 2 } }]);
  });

  it('is told in plain words, of every mirror', async () => {
    const key = testKey();
    const release = released(key, evilServer);
    const given = [mirrorOf(release), mirrorOf(release)].flatMap((each) => ['--mirror', each]);
    const { code, stdout } = await mirrors(key, 'doctor', ...given);
    expect(code).toBe(3);
    expect(stdout.match(/ALARM: what your keys signed of a file is not so/g)).toHaveLength(2);
  });
});
