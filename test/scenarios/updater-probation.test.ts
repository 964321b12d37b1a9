/**
 * What happens to a release after its verdict, with real processes: a service
 * that starts again and again leaves it, though its page is fine all the time.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { exampleWebUi } from '../harness/release-factory.ts';
import { makeWorld } from '../harness/world.ts';

/** Starts the release's server, writes its pid, ends what ran: there is always one. */
const RESTART = `
old=$(cat $PIDFILE 2>/dev/null)
$ROOT/current/server 600 >/dev/null 2>&1 &
echo $! > $PIDFILE.new && mv $PIDFILE.new $PIDFILE
test -z "$old" || kill $old
`;
/** What a supervisor does with a server that keeps crashing, for as long as 1.1.0 is there to run. */
const LOOP = `
while readlink $ROOT/current | grep -q 1.1.0; do sh $SCRIPT; sleep 0.2; done
`;

it('a service that starts again and again in probation leaves the release', async () => {
  const { node, ship, folder } = await makeWorld({
    top: ['probation = "1h"', 'probation_restarts = 2'],
    tables: [
      '[[services]]',
      'name = "server"',
      'manager = "command"',
      'restart = ["sh", "SCRIPT"]',
      'component = "server"',
      'pid_file = "PIDFILE"',
    ],
  });
  const script = join(folder, 'restart.sh');
  const pidFile = join(folder, 'server.pid');
  const config = readFileSync(node.config, 'utf8');
  writeFileSync(node.config, config.replace('SCRIPT', script).replace('PIDFILE', pidFile));
  const names = `ROOT=${node.root}\nPIDFILE=${pidFile}\nSCRIPT=${script}\n`;
  writeFileSync(script, `${names}${RESTART}`);
  const executable = (): string => `/proc/${readFileSync(pidFile, 'utf8').trim()}/exe`;
  onTestFinished(() => {
    if (existsSync(executable())) process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL');
  });
  for (const version of ['1.0.0', '1.1.0']) {
    // A program of the machine, made this release's own by a few bytes that the loader ignores.
    const server = join(folder, `server-${version}`);
    copyFileSync('/usr/bin/sleep', server);
    writeFileSync(server, version, { flag: 'a' });
    await ship(version, { webUi: exampleWebUi(version), files: { server } });
    const applied = await node.updater(['apply', version]);
    expect(applied, applied.stderr).toMatchObject({ code: 0 });
  }
  const restarts = (): unknown => node.read('watch.json');
  expect(restarts()).toMatchObject({ services: [{ restarts: 0 }] });
  execFileSync('sh', [script], { stdio: 'ignore' });
  expect((await node.updater(['once'])).code, 'once is borne').toBe(0);
  expect(restarts()).toMatchObject({ services: [{ restarts: 1 }] });

  const loop = spawn('sh', ['-c', `${names}${LOOP}`], { stdio: 'ignore' });
  onTestFinished(async () => {
    loop.kill('SIGKILL');
    if (loop.exitCode === null && loop.signalCode === null) await once(loop, 'exit');
  });
  // Ticks of a timer; one is enough, if the loop has begun by then.
  let outcome = await node.updater(['once']);
  for (let ticks = 1; outcome.code === 0 && ticks < 10; ticks += 1) {
    outcome = await node.updater(['once']);
  }
  expect(outcome, outcome.stderr).toMatchObject({ code: 1 });
  expect(outcome.stdout).toContain(
    "rolled back from 1.1.0 to 1.0.0: service 'server' started again by itself 3 times in probation",
  );
  expect(node.page()).toContain('version 1.0.0');
  expect(readFileSync(executable()).subarray(-5).toString()).toBe('1.0.0');
  expect(node.quarantined()).toStrictEqual(['1.1.0']);
  expect(node.journal()).toContainEqual(
    expect.objectContaining({ event: 'crash-looped', service: 'server', restarts: 3 }),
  );
});
