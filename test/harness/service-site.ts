/** A node with one service: a real binary of the release, which a script restarts. */
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { TestNode } from './node.ts';
import { exampleWebUi } from './release-factory.ts';
import { makeWorld } from './world.ts';

export interface ServiceSite {
  node: TestNode;
  /** With a server of its own, or the one of the release `like`. */
  shipServer: (version: string, like?: string) => Promise<void>;
  /** Replaces the script that restarts the service. */
  setScript: (lines: readonly string[]) => void;
  pid: () => number;
}

/** Ends what runs, starts the release's server, writes its pid: as a small init script does. */
export const RESTART = [
  'test -s $PIDFILE && kill $(cat $PIDFILE) 2>/dev/null && sleep 0.1',
  '$ROOT/current/server 600 >/dev/null 2>&1 &',
  'echo $! > $PIDFILE',
];

/** Its service is restarted by a script, `RESTART` unless told. */
export async function makeServiceSite(): Promise<ServiceSite> {
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
  const setScript: ServiceSite['setScript'] = (lines) =>
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
    shipServer: async (version, like = version) => {
      // A program of the machine, made this release's own by a few bytes that the loader ignores.
      const server = join(folder, `server-${version}`);
      copyFileSync('/usr/bin/sleep', server);
      writeFileSync(server, like, { flag: 'a' });
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

/** The version of the release whose file `pid` runs. */
export function executable(pid: number): string {
  return readFileSync(`/proc/${pid}/exe`).subarray(-5).toString();
}
