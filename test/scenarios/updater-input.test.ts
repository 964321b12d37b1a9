/** Wrong input, each with one clear line, a hint and an exit code; and `updater init`. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configText, EXAMPLE } from '../../updater/init/template.ts';
import { serveDirectory } from '../../mirrors/serve.ts';
import { runCommand } from '../harness/command.ts';
import { startTlsServer } from '../harness/tls-server.ts';
import { WebServer } from '../harness/web-server.ts';
import { makeWorld } from '../harness/world.ts';

const ONE_LINE = /^error: [a-z'-].*[^.]\n(?: {2}hint: .+\n)?$/;

describe('wrong configuration', () => {
  it.each<[string, (text: string) => string, RegExp]>([
    ['is not TOML', () => 'app = [', /is not TOML/],
    [
      'with rounds without a pause',
      (text) => `${text}[run]\ninterval = "0s"\n`,
      /'run.interval': expected a duration above zero, such as "1h"/,
    ],
    ['without an app', (text) => text.replace(/^app = .*\n/, ''), /'app'/],
    [
      'without mirrors',
      (text) => text.replaceAll(/\[\[mirrors\]\]\n(?:.+ = .+\n)+/g, ''),
      /'mirrors'/,
    ],
    [
      'without keys',
      (text) => text.replace(/^public_keys = .*$/m, 'public_keys = []'),
      /'public_keys': expected at least one public key/,
    ],
    [
      'with a key that is none',
      (text) => text.replace(/^public_keys = .*$/m, 'public_keys = ["RWnope"]'),
      /'public_keys.0': /,
    ],
    [
      'with a threshold above the number of keys',
      (text) => `threshold = 2\n${text}`,
      /'threshold': expected at most the number of public keys \(1\), found 2/,
    ],
    ['with a misspelt key', (text) => `probaton = "1h"\n${text}`, /probaton/],
    [
      'with a duration that is none',
      (text) => text.replace('window = "2s"', 'window = "soon"'),
      /'probe.window': expected a duration such as "90s", found "soon"/,
    ],
    [
      'that probes beyond this machine',
      (text) => text.replace(/^url = .*$/m, 'url = "https://example.org/"'),
      /'probe.url': expected an address of this machine .*found 'example.org'/,
    ],
    [
      'that probes a private network',
      (text) => text.replace(/^url = .*$/m, 'url = "http://192.168.1.1/"'),
      /'probe.url': expected an address of this machine/,
    ],
    [
      'with a relative root',
      (text) => text.replace(/^root = .*$/m, 'root = "opt/app"'),
      /'root': expected an absolute path/,
    ],
    [
      'with a service without a command',
      (text) => `${text}\n[[services]]\nname = "x"\nmanager = "command"\n`,
      /'services.0.restart': expected with manager "command"/,
    ],
    [
      'with an unknown kind of mirror',
      (text) => text.replace('type = "directory"', 'type = "ftp"'),
      /'mirrors.0.type': expected 'directory' or 'gitea'/,
    ],
  ])('%s: exit code 2, and the key is named', async (_, change, words) => {
    const { node } = await makeWorld();
    writeFileSync(node.config, change(readFileSync(node.config, 'utf8')));
    for (const args of [['status'], ['apply']]) {
      const outcome = await node.updater(args);
      expect(outcome.stderr).toMatch(words);
      expect(outcome.stderr).toMatch(ONE_LINE);
      expect(outcome.stderr).toContain(node.config);
      expect(outcome.code).toBe(2);
    }
    expect(node.current()).toBeUndefined();
  });

  it("that is not there, not to be read, somebody else's, writable by others: exit code 2", async () => {
    const { node } = await makeWorld();
    chmodSync(node.config, 0o666);
    const open = await node.updater(['status']);
    expect(open.stderr).toContain('can be written by others');
    expect(open.code).toBe(2);
    chmodSync(node.config, 0o600);
    chownSync(node.config, 1234, 1234);
    for (const args of [['status'], ['apply']]) {
      const foreign = await node.updater(args);
      expect(foreign.stderr).toContain('belongs to user 1234, expected 0');
      expect(foreign.code).toBe(2);
    }
    chownSync(node.config, 0, 0);
    const denied = await node.updater(['status'], { uid: 65_534, gid: 65_534 });
    expect(denied.stderr).toContain('permission denied');
    expect(denied.code).toBe(2);
    const missing = await runCommand('updater', [
      'status',
      '--config',
      join(node.folder, 'none.toml'),
    ]);
    expect(missing.stderr).toContain("cannot read configuration '");
    expect(missing.stderr).toContain('updater init');
    expect(missing.code).toBe(2);
  });
});

describe('wrong usage', () => {
  it.each([
    [['explode'], "unknown command 'explode'"],
    [['apply', '1.0.0', '2.0.0'], 'expected [VERSION]'],
    [['apply', '--frobnicate'], '--frobnicate'],
    [['apply', '--lift-quarantine'], '--lift-quarantine: expected the VERSION'],
    [['rollback'], '--reason: expected why'],
    [['rollback', '--reason', '  '], '--reason: expected why'],
    [['history', '--limit', 'many'], '--limit: expected a whole number'],
  ])('%j: exit code 2', async (args, words) => {
    const { node } = await makeWorld();
    const outcome = await node.updater(args);
    expect(outcome.stderr).toContain(words);
    expect(outcome.stderr).toMatch(ONE_LINE);
    expect(outcome.code).toBe(2);
  });

  it('is told as JSON with --json', async () => {
    const { node } = await makeWorld();
    expect(await node.json(['rollback'])).toMatchObject({
      error: { code: 'USAGE', message: expect.stringContaining('--reason') as string },
    });
  });
});

describe('a machine that refuses', () => {
  it('no permission: in words, exit code 1', async () => {
    const { node, ship } = await makeWorld();
    await ship('1.0.0');
    const outcome = await node.updater(['apply'], { uid: 65_534, gid: 65_534 });
    expect(outcome.stderr).toMatch(/^error: .*permission denied/);
    expect(outcome.stderr).toMatch(ONE_LINE);
    expect(outcome.stderr).toContain('or as root');
    expect(outcome.code).toBe(1);
  });

  it('no space: refused before the first byte, with how much is missing', async () => {
    const { node, ship, folder } = await makeWorld();
    const small = join(folder, 'small');
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', small]);
    onTestFinished(() => void execFileSync('umount', [small]));
    const config = readFileSync(node.config, 'utf8').replace(node.root, join(small, 'root'));
    writeFileSync(node.config, config);
    await ship('1.0.0');
    const outcome = await node.updater(['apply']);
    expect(outcome.stderr).toMatch(
      /not enough space at '.*small.*': expected .* MiB free, found .* MiB/,
    );
    expect(outcome.code).toBe(1);
    expect(existsSync(join(small, 'root/deployments'))).toBe(false);
  });

  it('`current` is a folder of somebody else: nothing is touched', async () => {
    const { node, ship } = await makeWorld();
    await ship('1.0.0');
    mkdirSync(join(node.root, 'current'));
    writeFileSync(join(node.root, 'current/precious'), 'x');
    const outcome = await node.updater(['apply']);
    expect(outcome.stderr).toContain('is not ours to switch');
    expect(outcome.code).toBe(1);
    expect(readFileSync(join(node.root, 'current/precious'), 'utf8')).toBe('x');
  });

  it('has no such web user, or one that cannot get to the release: refused before the switch', async () => {
    const { node, ship } = await makeWorld({ top: ['probation = "0s"', 'web_user = "nobody"'] });
    await ship('1.0.0');
    chmodSync(node.root, 0o700);
    const outcome = await node.updater(['apply']);
    expect(outcome.stderr).toContain("'nobody' cannot read the release: '.': permission denied");
    expect(outcome.code).toBe(3);
    expect(node.current()).toBeUndefined();
    expect(node.quarantined(), 'the machine is to blame').toStrictEqual([]);
    chmodSync(node.root, 0o755);
    expect((await node.updater(['apply'])).code).toBe(0);
    writeFileSync(node.config, readFileSync(node.config, 'utf8').replace('nobody', 'nosuchuser'));
    await ship('1.1.0');
    const unknown = await node.updater(['apply']);
    expect(unknown.stderr).toContain("there is no user 'nosuchuser' on this machine");
    expect(unknown.code).toBe(3);
  });
});

const WELL = ['--app', 'archipelago', '--mirror', '/m', '--key', 'KEY'];

describe('updater init', () => {
  it('writes a configuration that works, says what it found, and never overwrites', async () => {
    const { node, ship, factory, mirror } = await makeWorld();
    await ship('1.0.0');
    const web = await WebServer.start(join(node.folder, 'fresh/root'));
    const config = join(node.folder, 'fresh/updater.toml');
    const args = [
      ...['init', '--config', config, '--app', 'archipelago', '--mirror', mirror],
      ...['--key', factory.publicKey, '--probe-url', web.url, '--web-user', 'nobody'],
      ...['--root', join(node.folder, 'fresh/root'), '--state', join(node.folder, 'fresh/state')],
    ];
    const told = await runCommand('updater', [...args, '--dry-run']);
    expect(told.stdout).toContain('probation = "10m"');
    expect(existsSync(config)).toBe(false);

    const outcome = await runCommand('updater', args);
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    expect(outcome.stdout).toContain('(directory): shows 1.0.0 (stable)');
    expect(outcome.stdout).toContain(`${web.url} answers 404`);
    expect(outcome.stdout).toContain('web user: nobody');
    expect(readFileSync(config, 'utf8')).toBe(told.stdout);
    expect(statSync(join(node.folder, 'fresh/state')).mode & 0o777).toBe(0o700);
    expect(statSync(join(node.folder, 'fresh/root/deployments')).mode & 0o777).toBe(0o755);

    const again = await runCommand('updater', args);
    expect(again.code).toBe(2);
    expect(again.stderr).toContain('is there already, and is not overwritten');
    const applied = await runCommand('updater', ['apply', '--config', config]);
    expect(applied, applied.stderr).toMatchObject({ code: 0 });
  });

  it('pins the certificate that this machine answers with', async () => {
    const { node, factory, mirror } = await makeWorld();
    const { url } = await startTlsServer();
    const config = join(node.folder, 'tls.toml');
    const outcome = await runCommand('updater', [
      ...['init', '--config', config, '--app', 'archipelago', '--mirror', mirror],
      ...['--key', factory.publicKey, '--probe-url', `${url}/`, '--state', join(node.folder, 's')],
      ...['--root', join(node.folder, 'r')],
    ]);
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    expect(outcome.stdout).toContain('with a certificate of its own');
    expect(readFileSync(config, 'utf8')).toMatch(/^tls = "sha256:[0-9a-f]{64}"$/m);
  });

  // One that is down, or has no release yet, is asked for good as what it is written down as.
  it('takes a mirror that shows nothing for what the others are, else for a repository', async () => {
    const { folder, node, ship, factory } = await makeWorld();
    await ship('1.0.0');
    const served = await serveDirectory(dirname(folder), { host: '127.0.0.1', port: 0 });
    onTestFinished(() => served.close());
    const there = `${served.address}${basename(folder)}/mirror`;
    const down = 'http://127.0.0.1:9/you/app';
    const init = async (...mirrors: string[]): Promise<string> => {
      const outcome = await runCommand('updater', [
        ...['init', '--config', join(node.folder, 'no.toml'), '--app', 'archipelago', '--dry-run'],
        ...['--key', factory.publicKey, '--probe-url', 'http://127.0.0.1:9/', '--json'],
        ...mirrors.flatMap((each) => ['--mirror', each]),
      ]);
      expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
      const { text, findings } = JSON.parse(outcome.stdout) as { text: string; findings: string[] };
      const tables = text.match(/(?<=^\[\[mirrors\]\]\n)(?:.+\n)+/gm) ?? [];
      return [...tables, ...findings].join('\n');
    };
    const repository = 'type = "gitea"\nurl = "http://127.0.0.1:9"\nrepository = "you/app"\n';
    const alone = await init(down);
    expect(alone).toContain(repository);
    expect(alone).toContain('nothing told which: look at its [[mirrors]]');
    expect(alone).toContain('http://127.0.0.1:9/ does not answer yet');
    const told = await init(`gitea:${down}.git`);
    expect(told).toContain(repository);
    expect(told).not.toContain('nothing told which');
    const beside = await init(there, down);
    expect(beside).toContain(`type = "directory"\nurl = "${there}"`);
    expect(beside).toContain(`type = "directory"\nurl = "${down}"`);
    expect(beside).toContain('nothing told which');
  });

  it('that a hint names shows every key, also where a configuration stands', async () => {
    const { node } = await makeWorld();
    writeFileSync(node.config, 'keep = \n', { mode: 0o600 });
    const wrong = await node.updater(['status']);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(
      /is not TOML at line 1, column 8: .*\n  hint: .*'updater init --dry-run'/,
    );
    const shown = await node.updater(['init', '--dry-run']);
    expect(shown).toMatchObject({ code: 0, stdout: configText(EXAMPLE) });
    expect(shown.stderr).toContain('an example');
    expect(readFileSync(node.config, 'utf8')).toBe('keep = \n');
    // What is made up in it is not taken for an answer.
    writeFileSync(node.config, shown.stdout);
    expect((await node.updater(['status'])).stderr).toContain("'public_keys.0': ");
  });

  it.each([
    [['--mirror', '/m', '--key', 'KEY'], '--app: expected a value'],
    [['--app', 'archipelago', '--key', 'KEY'], '--mirror: expected a value'],
    [['--app', 'archipelago', '--mirror', '/m'], '--key: expected a value'],
    [['--app', 'Archi Pelago', '--mirror', '/m', '--key', 'KEY'], '--app: expected the name'],
    [[...WELL, '--mirror', 'ftp://x/'], "http:// or https:// or file://, found 'ftp://x/'"],
    [['--app', 'archipelago', '--mirror', '/m', '--key', 'RWnope'], '--key 1'],
    [[...WELL, '--mirror', 'gitea:/m'], "http:// or https:// or file://, found 'gitea:/m'"],
    [[...WELL, '--threshold', '2'], '--threshold: expected at most the number of public keys (1)'],
    [[...WELL, '--root', 'opt'], "--root: expected an absolute path, found 'opt'"],
    [[...WELL, '--state', 'lib'], "--state: expected an absolute path, found 'lib'"],
    [[...WELL, '--channel', 'a b'], '--channel: expected a channel name such as stable'],
    [[...WELL, '--web-user', 'A'], "--web-user: expected the name of a user, found 'A'"],
    [[...WELL, '--probe-url', 'http://example.org/'], '--probe-url: expected an address of this'],
    [[...WELL, '--service', 'nginx', '--service', 'a b'], '--service: expected the name'],
  ])('%j: exit code 2', async (args, words) => {
    const { node, factory } = await makeWorld();
    const config = join(node.folder, 'new.toml');
    const given = args.map((each) => (each === 'KEY' ? factory.publicKey : each));
    const outcome = await runCommand('updater', ['init', '--config', config, ...given]);
    expect(outcome.stderr).toContain(words);
    expect(outcome.stderr).toMatch(ONE_LINE);
    // There is no such file that could be corrected.
    expect(outcome.stderr).not.toContain('new.toml');
    expect(outcome.code).toBe(2);
    expect(existsSync(config)).toBe(false);
  });
});

it('relative paths of mirrors are from the folder of the configuration, wherever the updater is started', async () => {
  const { node, ship, mirror } = await makeWorld();
  await ship('1.0.0');
  const text = readFileSync(node.config, 'utf8');
  const path = relative(dirname(node.config), mirror);
  writeFileSync(node.config, text.replace(`"${mirror}"`, `"${path}"`));
  for (const [cwd, config] of [
    ['/', node.config],
    [node.folder, 'updater.toml'],
  ] as const) {
    const check = await runCommand('updater', ['check', '--config', config], { cwd });
    expect(check, check.stderr).toMatchObject({ code: 0 });
    expect(check.stdout).toContain('available: 1.0.0');
  }
});
