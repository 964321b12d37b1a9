/** `mirrors` where root documents say who is believed: a stolen release key was replaced, and mirrors follow. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '@landfall/manifest';
import { formatKeyId, type SecretKey } from '@landfall/minisign';
import { describe, expect, it, onTestFinished } from 'vitest';
import { historyPath } from '../../mirrors/layout.ts';
import { type Outcome, runCommand } from '../harness/command.ts';
import { contentsOf } from '../harness/gitea-project.ts';
import { REPOSITORY } from '../harness/gitea-scene.ts';
import { startFaultyMirror } from '../harness/faulty-mirror.ts';
import { startGiteaStandIn } from '../harness/gitea-stand-in/server.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { fillMirror, mirrorFolder, put, smallRelease } from '../harness/mirror-folder.ts';
import { rootFiles, rootOf, signRoot, type SignedRoot } from '../harness/roots.ts';
import { sha256 } from '../harness/signed-manifests.ts';
import { temporaryFolder } from '../harness/temporary.ts';

interface Scene {
  /** Root keys `a` and `b`; the stolen release key, and the one in its place. */
  keys: { a: SecretKey; b: SecretKey; stolen: SecretKey; fresh: SecretKey };
  documents: SignedRoot[];
  /** Whole; without the documents; with the old release and the old document only. */
  mirrors: [string, string, string];
  /** The pin: version 1. */
  pin: string;
  run: (command: string, args?: readonly string[]) => Promise<Outcome>;
}

const lasting = (manifest: Manifest): void => void (manifest.expires = '2099-01-01T00:00:00Z');

function show(documents: readonly SignedRoot[], folder: string): void {
  for (const each of documents) {
    for (const [path, content] of rootFiles(each)) put(folder, path, content);
  }
}

/** Release 3 is signed by the stolen key, release 4 by the one that took its place with document 2. */
function makeScene(): Scene {
  const keys = { a: testKey(), b: testKey(), stolen: testKey(), fresh: testKey() };
  const { a, b, stolen, fresh } = keys;
  const documents = [
    signRoot(rootOf(1, { root: [a, b], rootThreshold: 2, release: [stolen] }), [a, b]),
    signRoot(rootOf(2, { root: [a, b], rootThreshold: 2, release: [fresh] }), [b, a]),
  ];
  const third = smallRelease([stolen], 3, lasting);
  const previous = { sequence: 3, sha256: sha256(third.bytes) };
  const fourth = smallRelease([fresh], 4, (manifest) => {
    lasting(manifest);
    Object.assign(manifest, { previous, root: 2 });
  });
  const mirrors: Scene['mirrors'] = [mirrorFolder(fourth), mirrorFolder(fourth), mirrorFolder()];
  const [whole, , old] = mirrors;
  show(documents, whole);
  const kept = historyPath('releases/manifest.json', previous);
  put(whole, kept, third.bytes);
  put(whole, `${kept}.minisig`, third.signature);
  fillMirror(old, third);
  show(documents.slice(0, 1), old);
  const folder = temporaryFolder();
  const pin = join(folder, 'root.json');
  for (const [path, content] of rootFiles(documents[0]!, pin)) writeFileSync(path, content);
  const from = mirrors.flatMap((each) => ['--mirror', each]);
  const whom = ['--app', 'archipelago', '--trusted-root', pin];
  const run: Scene['run'] = (command, args = []) =>
    runCommand('mirrors', [command, ...from, ...whom, ...args]);
  return { keys, documents, mirrors, pin, run };
}

const json = ({ stdout, stderr }: Outcome): unknown => {
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
};

describe('mirrors with a root document', () => {
  it('believe what follows from the pin; find, and repair, a mirror that lacks a document', async () => {
    const { run, mirrors } = makeScene();
    const status = await run('status');
    expect(status.code).toBe(1);
    expect(status.stdout).toContain('newest: 1.0.4 (sequence 4)');
    expect(status.stdout).toMatch(/': does not serve 'root-2\.json'/);

    const audit = json(await run('audit', ['--json'])) as {
      mirrors: { right: boolean }[];
      findings: { mirror: string; code: string; fix: string }[];
    };
    expect(audit.mirrors.map(({ right }) => right)).toEqual([true, false, false]);
    const lacking = audit.findings.filter(({ code }) => code === 'ROOT_MISSING');
    expect(lacking).toHaveLength(2);
    for (const { fix } of lacking) expect(fix).toMatch(/^mirrors sync --to .* --trusted-root /);
    // The old mirror serves what the stolen key signed: believed no more.
    expect(audit.findings.map(({ code }) => code)).toContain('BAD_SIGNATURE');

    const dry = json(await run('sync', ['--dry-run', '--json'])) as {
      mirrors: { state: string; index: string[] }[];
    };
    expect(dry.mirrors.map(({ state }) => state)).toEqual(['right', 'lacks', 'lacks']);
    expect(dry.mirrors[1]?.index).toEqual(['the root documents']);
    const sync = await run('sync');
    expect(sync, sync.stderr).toMatchObject({ code: 0 });
    for (const name of ['root-1.json', 'root-2.json', 'root-2.json.minisig']) {
      const [first, ...others] = mirrors.map((each) => readFileSync(join(each, 'trust', name)));
      for (const each of others) expect(each).toEqual(first);
    }
    const after = await run('audit');
    expect([after.code, after.stdout]).toEqual([0, expect.stringContaining('nothing found')]);
  });

  it.each(['root-2.json', 'root-2.json.minisig'])(
    'find, and repair, a mirror where %s is more than any such file is',
    async (name) => {
      const { mirrors, documents, pin } = makeScene();
      const [whole, second] = mirrors;
      show(documents, second);
      const file = join(second, 'trust', name);
      writeFileSync(file, Buffer.alloc(100_000, 'x'));
      const run = (command: string): Promise<Outcome> => {
        const from = [whole, second].flatMap((each) => ['--mirror', each]);
        const whom = ['--app', 'archipelago', '--trusted-root', pin];
        return runCommand('mirrors', [command, ...from, ...whom]);
      };
      const audit = await run('audit');
      expect([audit.code, audit.stdout]).toEqual([4, expect.stringContaining('ROOT_MISSING')]);
      const sync = await run('sync');
      expect(sync, sync.stdout).toMatchObject({ code: 0 });
      expect(readFileSync(file)).toEqual(readFileSync(join(whole, 'trust', name)));
      expect((await run('audit')).code).toBe(0);
    },
  );

  it('are not right where nobody may read the documents', async () => {
    const { mirrors, documents, pin } = makeScene();
    const [whole, second] = mirrors;
    show(documents, second);
    const server = await startFaultyMirror(second);
    onTestFinished(() => server.stop());
    server.rules.push({ path: /trust/, fault: { kind: 'status', status: 403 } });
    const whom = ['--app', 'archipelago', '--trusted-root', pin];
    const args = ['audit', '--mirror', whole, '--mirror', server.url, ...whom];
    const audit = await runCommand('mirrors', args);
    expect([audit.code, audit.stdout]).toEqual([4, expect.stringContaining('forbids it (403)')]);
  });

  it('bring the documents to a Gitea server, in one commit with the index', async () => {
    const { mirrors, pin } = makeScene();
    const server = await startGiteaStandIn({ repository: REPOSITORY });
    onTestFinished(() => server.close());
    const whole = ['--mirror', mirrors[0], '--app', 'archipelago', '--trusted-root', pin];
    const to = `gitea:${server.url}/${REPOSITORY}`;
    const sync = (): Promise<Outcome> =>
      runCommand('mirrors', ['sync', ...whole, '--from', mirrors[0], '--to', to], {
        env: { GITEA_TOKEN: server.token },
      });
    expect((await sync()).code).toBe(0);
    const raw = `${server.url}/${REPOSITORY}/raw/branch/main/trust/root-2.json`;
    const served = Buffer.from(await (await fetch(raw)).arrayBuffer());
    expect(served).toEqual(readFileSync(join(mirrors[0], 'trust/root-2.json')));
    const { head } = contentsOf(server);
    expect((await sync()).stdout).toContain('right');
    expect(contentsOf(server).head).toBe(head);
  });

  it('raise the alarm about two documents of one version, and copy neither', async () => {
    const { run, mirrors, keys, documents } = makeScene();
    const { a, b, stolen } = keys;
    const [, second, third] = mirrors;
    show(documents, third);
    const other = rootOf(2, { root: [a, b], rootThreshold: 2, release: [stolen] });
    show([documents[0]!, signRoot(other, [a, b])], second);
    for (const command of ['audit', 'sync', 'prune']) {
      const outcome = await run(command, command === 'prune' ? ['--keep', '1'] : []);
      expect([command, outcome.code]).toEqual([command, 3]);
      expect(outcome.stdout + outcome.stderr).toContain(
        'two different root documents have version 2',
      );
    }
    expect((await run('status')).stdout).toContain('ALARM: two different root documents');
  });

  it('are told of a document that is not right, or differs from what the maintainers keep', async () => {
    const { mirrors, keys, documents } = makeScene();
    const { a, b, stolen } = keys;
    const [whole, second, third] = mirrors;
    const folder = temporaryFolder();
    const write = (list: readonly SignedRoot[]): void => {
      for (const each of list) {
        const path = join(folder, 'trust', `root-${each.root.version}.json`);
        for (const [name, content] of rootFiles(each, path)) put('/', name, content);
      }
    };
    write(documents);
    const config = join(folder, 'release.config.ts');
    const named = mirrors.map((path, index) => ({
      name: `m${index + 1}`,
      type: 'directory',
      path,
    }));
    const settings = {
      app: 'archipelago',
      channel: 'alpha',
      keys: { root: 'trust' },
      mirrors: named,
    };
    writeFileSync(config, `export default ${JSON.stringify(settings)};\n`);
    rmSync(join(whole, 'trust/root-2.json.minisig'));
    rmSync(join(whole, `trust/root-2.json.${formatKeyId(a.keyId)}.minisig`));
    const other = rootOf(2, { root: [a, b], rootThreshold: 2, release: [stolen] });
    show([documents[0]!, signRoot(other, [a, b])], second);
    const audit = await runCommand('mirrors', ['audit', '--config', config, '--json']);
    const { findings } = json(audit) as { findings: { mirror: string; code: string }[] };
    const roots = findings.filter(({ code }) => code.startsWith('ROOT_'));
    expect(roots.map(({ mirror, code }) => `${mirror} ${code}`)).toEqual([
      'm1 ROOT_MISSING',
      'm2 ROOT_EQUIVOCATION',
      'm3 ROOT_MISSING',
    ]);
    expect(audit.code).toBe(3);
    // Nothing is written to the mirror with the other document; the others are completed.
    const sync = await runCommand('mirrors', ['sync', '--config', config, '--json']);
    const { mirrors: rows } = json(sync) as { mirrors: { state: string }[] };
    expect(rows.map(({ state }) => state)).toEqual(['completed', 'failed', 'completed']);
    const text = readFileSync(join(third, 'trust/root-2.json'));
    expect(text).toEqual(Buffer.from(documents[1]!.bytes));

    // A next one that waits for its second signature does not count yet, and is in nobody's way.
    const { fresh } = keys;
    write([signRoot(rootOf(3, { root: [a], release: [fresh] }), [a])]);
    const waits = await runCommand('mirrors', ['status', '--config', config]);
    expect(waits.stderr).toBe('');
    expect(waits.stdout).toContain('newest: 1.0.4 (sequence 4)');

    for (const version of [1, 3]) rmSync(join(folder, `trust/root-${version}.json`));
    write([signRoot(rootOf(4, { root: [a], release: [stolen] }), [a])]);
    const gap = await runCommand('mirrors', ['status', '--config', config]);
    expect(gap.code).toBe(2);
    expect(gap.stderr).toContain('lacks root document 3');
  });
});
