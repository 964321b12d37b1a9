/**
 * Services around an update: a real binary of the release that is started by a
 * command, must replace the old process, and must be the new release's file.
 */
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { TestNode } from '../harness/node.ts';
import { exampleWebUi } from '../harness/release-factory.ts';
import { makeWorld } from '../harness/world.ts';

interface Site {
  node: TestNode;
  shipServer: (version: string) => Promise<void>;
  /** Replaces the script that restarts the service. */
  setScript: (lines: readonly string[]) => void;
  pid: () => number;
}

/** Ends what runs, starts the release's server, writes its pid: as a small init script does. */
const RESTART = [
  'test -s $PIDFILE && kill $(cat $PIDFILE) 2>/dev/null && sleep 0.1',
  '$ROOT/current/server 600 >/dev/null 2>&1 &',
  'echo $! > $PIDFILE',
];

async function makeSite(): Promise<Site> {
  const world = await makeWorld({
    top: ['probation = "0s"'],
    tables: [
      '[[services]]',
      'name = "server"',
      'manager = "command"',
      'restart = ["sh", "SCRIPT"]',
      'component = "server"',
      'pid_file = "PIDFILE"',
      'timeout = "2s"',
    ],
  });
  const { node, folder, ship } = world;
  const script = join(folder, 'restart.sh');
  const pidFile = join(folder, 'server.pid');
  writeFileSync(
    node.config,
    readFileSync(node.config, 'utf8').replace('SCRIPT', script).replace('PIDFILE', pidFile),
  );
  const setScript: Site['setScript'] = (lines) =>
    writeFileSync(script, [`ROOT=${node.root}`, `PIDFILE=${pidFile}`, ...lines, ''].join('\n'));
  const pid = (): number => Number(readFileSync(pidFile, 'utf8'));
  onTestFinished(() => {
    if (existsSync(pidFile)) end(pid());
  });
  setScript(RESTART);
  return {
    node,
    setScript,
    pid,
    shipServer: async (version) => {
      // A program of the machine, made this release's own by a few bytes that the loader ignores.
      const server = join(folder, `server-${version}`);
      copyFileSync('/usr/bin/sleep', server);
      writeFileSync(server, version, { flag: 'a' });
      await ship(version, { webUi: exampleWebUi(version), files: { server } });
    },
  };
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}

function executable(pid: number): string {
  return readFileSync(`/proc/${pid}/exe`).subarray(-5).toString();
}

describe('a service', () => {
  it('is restarted with the switch, and runs the new file; back again with a rollback', async () => {
    const { node, shipServer, pid } = await makeSite();
    await shipServer('1.0.0');
    expect((await node.updater(['apply'])).code).toBe(0);
    const first = pid();
    expect(executable(first)).toBe('1.0.0');
    await shipServer('1.1.0');
    const outcome = await node.updater(['apply']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    expect(pid()).not.toBe(first);
    expect(executable(pid())).toBe('1.1.0');
    expect((await node.updater(['rollback', '--reason', 'x'])).code).toBe(0);
    expect(executable(pid())).toBe('1.0.0');
  });

  it.each([
    [
      'whose restart fails',
      [
        'echo this went wrong; case $(readlink $ROOT/current) in *1.1.0*) exit 7 ;; esac',
        ...RESTART,
      ],
      /ended with 7/,
    ],
    [
      'whose old process does not go',
      ['case $(readlink $ROOT/current) in *1.1.0*) exit 0 ;; esac', ...RESTART],
      /the old process \d+ was still there after 2\.0 s/,
    ],
    [
      'that runs another file',
      [
        ...RESTART.slice(0, 1),
        'case $(readlink $ROOT/current) in *1.1.0*) /usr/bin/sleep 600 >/dev/null 2>&1 & ;; *) $ROOT/current/server 600 >/dev/null 2>&1 & ;; esac',
        'echo $! > $PIDFILE',
      ],
      /process \d+ did not run 'server' of 1\.1\.0/,
    ],
    [
      'that ends as soon as it started',
      [...RESTART, 'case $(readlink $ROOT/current) in *1.1.0*) kill $(cat $PIDFILE) ;; esac'],
      /no process was there/,
    ],
    [
      'whose restart hangs',
      ['case $(readlink $ROOT/current) in *1.1.0*) exec sleep 600 ;; esac', ...RESTART],
      /was still running after 2000 ms/,
    ],
  ])('%s: the release is rolled back, and the old one runs again', async (_, script, words) => {
    const { node, shipServer, setScript, pid } = await makeSite();
    await shipServer('1.0.0');
    await node.updater(['apply']);
    await shipServer('1.1.0');
    setScript(script);
    const outcome = await node.updater(['apply']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 1 });
    expect(outcome.stdout).toContain("rolled back from 1.1.0 to 1.0.0: service 'server': ");
    expect(outcome.stdout).toMatch(words);
    expect(executable(pid())).toBe('1.0.0');
    expect(node.quarantined()).toStrictEqual(['1.1.0']);
    expect(node.stateName()).toBe('rolled-back');
  });

  it('that crashes while the page is fine does not pass', async () => {
    const { node, shipServer, setScript, pid } = await makeSite();
    await shipServer('1.0.0');
    await node.updater(['apply']);
    await shipServer('1.1.0');
    setScript([
      ...RESTART,
      'case $(readlink $ROOT/current) in *1.1.0*) (sleep 0.15; kill $(cat $PIDFILE)) >/dev/null 2>&1 & ;; esac',
    ]);
    const slower = readFileSync(node.config, 'utf8').replace(
      'interval = "40ms"',
      'interval = "200ms"',
    );
    writeFileSync(node.config, slower);
    const outcome = await node.updater(['apply']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 1 });
    expect(outcome.stdout).toContain("service 'server': no process was there");
    expect(executable(pid())).toBe('1.0.0');
  });

  it('that fails with both releases leaves the node degraded', async () => {
    const { node, shipServer, setScript } = await makeSite();
    await shipServer('1.0.0');
    await node.updater(['apply']);
    await shipServer('1.1.0');
    setScript(['exit 9']);
    const outcome = await node.updater(['apply']);
    expect(outcome).toMatchObject({ code: 1 });
    expect(outcome.stdout).toContain('degraded: 1.0.0 runs and does not pass');
    expect(outcome.stdout).toContain('ended with 9');
    expect(node.stateName()).toBe('degraded');
  });

  it('leaves what it printed, and what the probes saw, in a log of the activation', async () => {
    const { node, shipServer, setScript } = await makeSite();
    setScript(['echo hello from the script', ...RESTART]);
    await shipServer('1.0.0');
    await node.updater(['apply']);
    const [folder = ''] = readdirSync(join(node.state, 'logs'));
    const services = readFileSync(join(node.state, 'logs', folder, 'services.log'), 'utf8');
    expect(services).toContain('hello from the script');
    expect(services).toContain('server: up');
    const probe = readFileSync(join(node.state, 'logs', folder, 'probe.log'), 'utf8');
    expect(probe).toMatch(/1\.0\.0-[0-9a-f]{12} 3: healthy/);
  });
});
