/** Identity: a page that answers is not enough, its service must be this release's, and no other's. */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { executable, makeServiceSite, RESTART } from '../harness/service-site.ts';
import { makeWorld } from '../harness/world.ts';

it('a service that crashes while the page is fine does not pass', async () => {
  const { node, shipServer, setScript, pid } = await makeServiceSite();
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

it('a service whose old process does not go is not up, also where nothing names its file', async () => {
  const { node, shipServer, setScript, pid } = await makeServiceSite();
  const config = readFileSync(node.config, 'utf8');
  writeFileSync(node.config, config.replace('component = "server"\n', ''));
  await shipServer('1.0.0');
  await node.updater(['apply']);
  await shipServer('1.1.0');
  setScript(['case $(readlink $ROOT/current) in *1.1.0*) exit 0 ;; esac', ...RESTART]);
  const outcome = await node.updater(['apply']);
  expect(outcome, outcome.stderr).toMatchObject({ code: 1 });
  expect(outcome.stdout).toMatch(
    /rolled back from 1\.1\.0 to 1\.0\.0: service 'server': the old process \d+ was still there after 2\.0 s/,
  );
  expect(executable(pid())).toBe('1.0.0');
  expect(node.quarantined()).toStrictEqual(['1.1.0']);
  expect(node.stateName()).toBe('rolled-back');
});

it.each([['once'], ['heal']])(
  'a service that could not start again without `current` runs after %s put that back',
  async (command) => {
    const { node, shipServer, pid } = await makeServiceSite();
    await shipServer('1.0.0');
    expect((await node.updater(['apply'])).code).toBe(0);
    const running = pid();
    rmSync(join(node.root, 'current'));
    expect((await node.updater([command])).code).toBe(0);
    expect(pid(), 'what runs is left alone').toBe(running);
    rmSync(join(node.root, 'current'));
    process.kill(running, 'SIGKILL');
    const healed = await node.updater([command]);
    expect(healed, healed.stderr).toMatchObject({ code: 0 });
    expect(executable(pid())).toBe('1.0.0');
    expect((await node.updater(['verify'])).code).toBe(0);
  },
);

/** What systemd says of a service that was told to stop and does not end. */
const DEACTIVATING = `#!/bin/sh
case "$*" in
  *LoadState*) echo loaded ;;
  *ActiveState*) echo deactivating ;;
esac
`;

it('nothing is switched while a service is stuck: restarting it would hang', async () => {
  const { node, folder, ship } = await makeWorld({
    tables: ['[[services]]', 'name = "server"', 'manager = "systemd"'],
  });
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'systemctl'), DEACTIVATING);
  chmodSync(join(bin, 'systemctl'), 0o755);
  await ship('1.0.0');
  const outcome = await node.updater(['apply'], { env: { PATH: `${bin}:${process.env['PATH']}` } });
  expect(outcome).toMatchObject({ code: 1 });
  expect(outcome.stderr).toContain("service 'server' was told to stop and has not ended");
  expect(node.current()).toBeUndefined();
  expect(node.quarantined()).toStrictEqual([]);
});

it('a pid file that cannot be read is met before anything is changed, and named', async () => {
  const { node, shipServer } = await makeServiceSite();
  const pidFile = join(node.folder, 'pids');
  mkdirSync(pidFile);
  const config = readFileSync(node.config, 'utf8');
  writeFileSync(node.config, config.replace(/pid_file = .*/, `pid_file = "${pidFile}"`));
  await shipServer('1.0.0');
  const outcome = await node.updater(['apply']);
  expect(outcome.code, outcome.stderr).not.toBe(0);
  expect(outcome.stderr).toContain(`error: 'services.pid_file': '${pidFile}' cannot be read`);
  expect(node.hasMarker()).toBe(false);
  expect(node.current()).toBeUndefined();
  writeFileSync(node.config, config);
  expect((await node.updater(['apply'])).code).toBe(0);
});
