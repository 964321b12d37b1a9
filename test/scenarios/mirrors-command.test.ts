/** The `mirrors` command as an operator uses it. */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publicKeyBase64, type SecretKey } from '@landfall/minisign';
import { describe, expect, it, onTestFinished } from 'vitest';
import { runCommand, startCommand } from '../harness/command.ts';
import { startFaultyMirror } from '../harness/faulty-mirror.ts';
import type { FaultyServer } from '../harness/http-faults.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { fillMirror, mirrorFolder, smallRelease } from '../harness/mirror-folder.ts';
import { temporaryFolder } from '../harness/temporary.ts';

/** A public key; nobody has what belongs to it. */
const ANY_KEY = 'RWSz8OsFsmk36uoRZNG8f1oIU93+lKIhc6vGMudcmzCeeYvAhmBeA7aF';

/** Starts `mirrors serve` and resolves to its address when it listens. */
async function startServing(
  folder: string,
): Promise<{ url: string; stop: () => Promise<number | null> }> {
  const running = startCommand('mirrors', ['serve', folder, '--listen', '127.0.0.1:0']);
  const url = await new Promise<string>((resolve, reject) => {
    running.done.then(({ stderr }) => reject(new Error(stderr)), reject);
    running.child.stdout?.on('data', () => {
      const found = /(http:\/\/\S+)\n/.exec(running.output().stdout)?.[1];
      if (found !== undefined) resolve(found);
    });
  });
  const stop = async (): Promise<number | null> => {
    running.child.kill('SIGTERM');
    return (await running.done).code;
  };
  onTestFinished(async () => void (await stop()));
  return { url, stop };
}

describe('mirrors init', () => {
  it('makes a folder a mirror, once', async () => {
    const folder = join(temporaryFolder(), 'new/mirror');
    const dry = await runCommand('mirrors', ['init', folder, '--dry-run']);
    expect([dry.code, dry.stdout]).toEqual([0, `would make '${folder}' a mirror\n`]);
    const made = await runCommand('mirrors', ['init', folder]);
    expect(made.stdout).toContain(`'${folder}' is a mirror now\n`);
    const marker = join(folder, 'landfall-mirror.json');
    expect(statSync(marker).mode & 0o777).toBe(0o644);
    writeFileSync(marker, 'mine\n');
    const again = await runCommand('mirrors', ['init', folder, '--json']);
    expect(JSON.parse(again.stdout)).toMatchObject({ directory: folder, made: false });
    expect(readFileSync(marker, 'utf8')).toBe('mine\n');
  });

  it('says that a folder cannot be made', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    const { code, stderr } = await runCommand('mirrors', ['init', join(file, 'x')]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: .*\n {2}hint: .*\n$/);
  });
});

describe('mirrors serve', () => {
  it('serves until it is told to stop, and ends well', async () => {
    const folder = mirrorFolder(smallRelease([testKey()], 4));
    const { url, stop } = await startServing(folder);
    const manifest = (await (await fetch(`${url}releases/manifest.json`)).json()) as {
      version: string;
    };
    expect(manifest.version).toBe('1.0.4');
    expect(await stop()).toBe(0);
    await expect(fetch(url)).rejects.toThrow('fetch failed');
  });

  it('ends also while somebody reads slowly', async () => {
    const folder = mirrorFolder();
    writeFileSync(join(folder, 'large.zst'), Buffer.alloc(64 * 1024 * 1024));
    const { url, stop } = await startServing(folder);
    const answer = await fetch(`${url}large.zst`);
    const started = performance.now();
    expect(await stop()).toBe(0);
    expect(performance.now() - started).toBeLessThan(10_000);
    await answer.body?.cancel().catch(() => undefined);
  });

  it.each<[string, string[], number, string]>([
    [
      'a place that is none',
      ['--listen', 'here'],
      2,
      "--listen: expected HOST:PORT such as 127.0.0.1:8080, found 'here'",
    ],
    ['an address of another machine', ['--listen', '192.0.2.1:0'], 2, 'cannot serve'],
  ])('refuses %s', async (_, args, code, words) => {
    const outcome = await runCommand('mirrors', ['serve', mirrorFolder(), ...args]);
    expect(outcome.code).toBe(code);
    expect(outcome.stderr).toContain(words);
  });

  it('refuses a folder that is not there, and warns of one that is no mirror', async () => {
    const gone = await runCommand('mirrors', ['serve', '/none/mirror', '--listen', '127.0.0.1:0']);
    expect([gone.code, gone.stderr]).toEqual([
      2,
      expect.stringContaining('no such file or directory'),
    ]);
    const empty = temporaryFolder();
    const running = startCommand('mirrors', ['serve', empty, '--listen', '127.0.0.1:0']);
    running.child.stdout?.once('data', () => running.child.kill('SIGINT'));
    const { code, stderr } = await running.done;
    expect(code).toBe(0);
    expect(stderr).toContain(`warning: '${empty}' has no 'landfall-mirror.json'`);
  });

  it('says that the port is taken', async () => {
    const { url } = await startServing(mirrorFolder());
    const listen = new URL(url).host;
    const outcome = await runCommand('mirrors', ['serve', mirrorFolder(), '--listen', listen]);
    expect([outcome.code, outcome.stderr]).toEqual([
      2,
      `error: cannot listen at ${listen}: something else does\n  hint: give another place with --listen HOST:PORT, or port 0 for any\n`,
    ]);
  });
});

describe('mirrors status', () => {
  async function serve(folder: string): Promise<FaultyServer> {
    const server = await startFaultyMirror(folder);
    onTestFinished(() => server.stop());
    return server;
  }

  /** Writes a configuration, in a folder that never saw `npm install`. */
  function project(key: SecretKey, servers: readonly { url: string }[]): string {
    const folder = temporaryFolder();
    const names = ['north', 'south', 'east'];
    const mirrors = servers.map(({ url }, index) => ({
      type: 'directory',
      name: names[index],
      url,
    }));
    const keys = { public: [publicKeyBase64(key.publicKey)] };
    const config = { app: 'archipelago', channel: 'alpha', keys, mirrors, components: [] };
    writeFileSync(
      join(folder, 'release.config.ts'),
      `import { defineConfig, type ReleaseConfig } from '@landfall/release';\nimport type { MirrorConfig } from '@landfall/mirrors';\nconst mirrors: MirrorConfig[] = [];\nexport default defineConfig(${JSON.stringify(config)} as ReleaseConfig);\nvoid mirrors;\n`,
    );
    return folder;
  }

  it('shows a table of all mirrors from the configuration of the current folder', async () => {
    const key = testKey();
    const release = smallRelease([key], 4);
    const servers = [await serve(mirrorFolder(release)), await serve(mirrorFolder(release))];
    const { code, stdout } = await runCommand('mirrors', ['status'], {
      cwd: project(key, servers),
    });
    expect(code).toBe(0);
    const [header, north, south, , newest] = stdout.split('\n');
    expect(header?.split(/ {2,}/)).toEqual([
      'NAME',
      'ADDRESS',
      'VERSION',
      'SEQUENCE',
      'BEHIND BY',
      'ASSETS',
      'REACHABLE IN',
    ]);
    expect(north).toMatch(/^north {2}http:\/\/127\.0\.0\.1:\d+ +1\.0\.4 +4 +0 +1\/1 +\d/);
    expect(south).toMatch(/^south/);
    expect(newest).toBe('newest: 1.0.4 (sequence 4)');
  });

  it('shows a mirror that is down, one that is behind and one that is incomplete as rows', async () => {
    const key = testKey();
    const [old, current] = [smallRelease([key], 3), smallRelease([key], 4)];
    const incomplete = mirrorFolder(current);
    rmSync(join(incomplete, `releases/download/v1.0.4`), { recursive: true });
    const servers = [
      await serve(mirrorFolder(current)),
      await serve(mirrorFolder(old)),
      await serve(incomplete),
    ];
    await servers[1]?.stop();
    const cwd = project(key, servers);
    const down = await runCommand('mirrors', ['status', '--json'], { cwd });
    const rows = (text: string): unknown[] => (JSON.parse(text) as { mirrors: unknown[] }).mirrors;
    expect(rows(down.stdout)).toMatchObject([
      { name: 'north', version: '1.0.4', sequence: 4, behindBy: 0, good: true, problem: null },
      {
        name: 'south',
        version: null,
        assets: null,
        reachableInMs: null,
        good: false,
        problem: { code: 'UNREACHABLE' },
      },
      {
        name: 'east',
        version: '1.0.4',
        good: false,
        assets: { present: 0, total: 1, missing: ['web-ui-1.0.4.tar.zst'] },
        problem: { code: 'NOT_FOUND' },
      },
    ]);
    expect(down.code).toBe(1);
    await servers[1]?.start();
    fillMirror(incomplete, current);
    const behind = await runCommand('mirrors', ['status', '--json'], { cwd });
    expect(rows(behind.stdout)).toMatchObject([
      { good: true },
      { version: '1.0.3', sequence: 3, behindBy: 1, good: false, assets: { present: 0, total: 1 } },
      { good: true },
    ]);
    expect(behind.code).toBe(4);
    const text = await runCommand('mirrors', ['status'], { cwd });
    expect(text.stdout).not.toContain('undefined');
  });

  it.each(['init', 'serve'])('%s takes no file for a folder', async (command) => {
    const file = join(mirrorFolder(), 'landfall-mirror.json');
    const outcome = await runCommand('mirrors', [command, file]);
    expect(outcome.stderr).toBe(
      `error: '${file}': expected a folder, found a file\n  hint: check the path\n`,
    );
    expect(outcome.code).toBe(2);
  });

  it('names every problem with a hint below the table', async () => {
    const key = testKey();
    const servers = [
      await serve(mirrorFolder(smallRelease([key], 4))),
      await serve(mirrorFolder()),
    ];
    await servers[0]?.stop();
    const { code, stdout } = await runCommand('mirrors', ['status'], {
      cwd: project(key, servers),
    });
    expect(code).toBe(1);
    expect(stdout).toContain('not reachable');
    expect(stdout).toContain("mirror 'north': refused the connection");
    expect(stdout).toContain(
      "mirror 'south': has no 'releases/manifest.json'\n  hint: nothing was published there yet",
    );
    expect(stdout).toContain('no mirror has a valid release to compare with');
  });

  it('tells of a mirror whose index nobody believes that it answers', async () => {
    const key = testKey();
    const servers = [await serve(mirrorFolder(smallRelease([testKey()], 4)))];
    const { code, stdout } = await runCommand('mirrors', ['status', '--json'], {
      cwd: project(key, servers),
    });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      mirrors: [
        {
          good: false,
          version: null,
          reachableInMs: expect.any(Number) as number,
          problem: { code: 'UNTRUSTED' },
        },
      ],
    });
  });

  it('raises an alarm for two manifests of one sequence', async () => {
    const key = testKey();
    const other = smallRelease([key], 4, (manifest) => (manifest.notes = 'another'));
    const servers = [
      await serve(mirrorFolder(smallRelease([key], 4))),
      await serve(mirrorFolder(other)),
    ];
    const { code, stdout } = await runCommand('mirrors', ['status'], {
      cwd: project(key, servers),
    });
    expect(code).toBe(1);
    expect(stdout).toContain('ALARM: north and south serve different manifests of one sequence');
  });

  it('needs no configuration: a stranger names mirror, app and key', async () => {
    const key = testKey();
    const { url } = await serve(mirrorFolder(smallRelease([key], 4)));
    const folder = mirrorFolder(smallRelease([key], 4));
    const keyFile = join(temporaryFolder(), 'app.pub');
    writeFileSync(keyFile, `untrusted comment: x\n${publicKeyBase64(key.publicKey)}\n`);
    const args = ['--mirror', url, '--mirror', folder, '--app', 'archipelago', '--key', keyFile];
    const { code, stdout } = await runCommand('mirrors', ['status', ...args, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      newest: { version: '1.0.4', sequence: 4 },
      equivocation: [],
    });
  });

  it.each<[string, string[], string]>([
    ['no configuration', [], 'cannot read the configuration'],
    ['a mirror without a key', ['--mirror', 'http://127.0.0.1:1', '--app', 'x'], 'found no --key'],
    ['a mirror without an app', ['--mirror', 'http://127.0.0.1:1', '--key', 'x'], 'found no --app'],
    [
      'a key that is none',
      ['--mirror', 'http://127.0.0.1:1', '--app', 'x', '--key', 'RWx'],
      "public key 'RWx'",
    ],
    ['a channel that is none', ['--channel', '../x'], '--channel: expected a channel name'],
    [
      'a Gitea server without a repository',
      ['--mirror', 'gitea:https://127.0.0.1:1/owner', '--app', 'x', '--key', ANY_KEY],
      'expected gitea:https://host/owner/name',
    ],
    [
      'more signatures than keys',
      [...['--mirror', 'x', '--app', 'x', '--key', ANY_KEY], '--threshold', '2'],
      'threshold: expected at most 1',
    ],
    [
      'both ways at once',
      ['--mirror', 'http://127.0.0.1:1', '--config', 'x'],
      'expected --config or --mirror',
    ],
  ])('ends with one line and a hint for %s', async (_, args, words) => {
    const { code, stderr } = await runCommand('mirrors', ['status', ...args], {
      cwd: temporaryFolder(),
    });
    expect(code).toBe(2);
    expect(stderr).toContain(words);
    expect(stderr).toMatch(/^error: [^\n]+\n {2}hint: [^\n]+\n$/);
  });

  it.each<[string, string, string]>([
    ['no default export', 'export const x = 1;\n', 'expected a default export'],
    ['a syntax error', 'export default {\n', 'cannot be loaded'],
    ['a missing key', 'export default { app: "a" };\n', "'keys':"],
    [
      'a mirror of no kind',
      'export default { app: "a", keys: { public: ["x"] }, mirrors: [{ type: "ftp" }] };\n',
      "'mirrors.0.type': expected 'directory' or 'gitea'",
    ],
  ])('says what is wrong with a configuration with %s', async (_, text, words) => {
    const cwd = temporaryFolder();
    mkdirSync(join(cwd, 'keys'));
    writeFileSync(join(cwd, 'release.config.ts'), text);
    const { code, stderr } = await runCommand('mirrors', ['status'], { cwd });
    expect([code, stderr]).toEqual([2, expect.stringContaining(words)]);
  });
});
