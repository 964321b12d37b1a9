/**
 * Critical checks between unpacking and the switch, with real programs and a
 * real nginx: one that fails leaves the node as it was, and the release is
 * quarantined only where it would fail on any node.
 */
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { buildForeign, lackLibrary } from '../harness/programs.ts';
import { exampleWebUi } from '../harness/release-factory.ts';
import { makeWorld, type World } from '../harness/world.ts';

interface Site extends World {
  shipServer: (version: string, change?: (program: Uint8Array) => Uint8Array) => Promise<void>;
  /** What checks left in the newest log. */
  log: () => string;
}

/** A node that runs 1.0.0 with a program of its own. */
async function makeSite(): Promise<Site> {
  const world = await makeWorld();
  const { node, folder, ship } = world;
  const shipServer: Site['shipServer'] = async (version, change = (program) => program) => {
    const server = join(folder, `server-${version}`);
    writeFileSync(server, change(readFileSync('/usr/bin/sleep')), { mode: 0o755 });
    appendFileSync(server, version);
    await ship(version, { webUi: exampleWebUi(version), files: { server } });
  };
  const log = (): string => {
    const logs = join(node.state, 'logs');
    return readFileSync(
      join(logs, readdirSync(logs).toSorted().at(-1) ?? '', 'checks.log'),
      'utf8',
    );
  };
  await shipServer('1.0.0');
  expect(await node.updater(['apply'])).toMatchObject({ code: 0 });
  return { ...world, shipServer, log };
}

it('a program whose libraries are not here is not switched to; one for another machine never', async () => {
  const { node, shipServer } = await makeSite();
  const before = node.current();
  await shipServer('1.1.0', lackLibrary);
  const lacking = await node.updater(['apply']);
  expect(lacking).toMatchObject({ code: 3 });
  expect(lacking.stderr).toContain(
    "'server' of 1.1.0 cannot be loaded on this machine: libq.so.6 not found",
  );
  expect([node.current(), node.hasMarker(), node.quarantined()]).toStrictEqual([before, false, []]);
  expect((await node.updater(['history'])).stdout).toMatch(
    /not staged +1\.1\.0 +'server' of 1\.1\.0 cannot be loaded/,
  );
  const again = await node.updater(['apply']);
  expect(again.stderr, 'it is not fetched again').toContain('is on the disk already');
  writeFileSync(node.config, `library_check = false\n${readFileSync(node.config, 'utf8')}`);
  expect(await node.updater(['apply'])).toMatchObject({ code: 0 });
  writeFileSync(
    node.config,
    readFileSync(node.config, 'utf8').replace('library_check = false', ''),
  );
  await shipServer('1.2.0', lackLibrary);
  expect(await node.updater(['apply']), 'what runs lacks it too').toMatchObject({ code: 0 });

  await shipServer('1.3.0', buildForeign);
  const foreign = await node.updater(['apply']);
  expect(foreign).toMatchObject({ code: 3 });
  expect(foreign.stderr).toMatch(
    /'server' of 1\.3\.0 is a program for (aarch64|x86-64), published/,
  );
  expect(node.quarantined()).toStrictEqual(['1.3.0']);
  expect(node.page()).toContain('version 1.2.0');
});

it("an operator's own check and nginx -t decide for this node alone", async () => {
  const { node, folder, shipServer, log } = await makeSite();
  const plain = readFileSync(node.config, 'utf8');
  const check = (command: string, more = ''): void =>
    writeFileSync(
      node.config,
      `${plain}[[checks]]\nname = "mine"\ncommand = ["sh", "-c", '${command}']\n${more}\n`,
    );
  await shipServer('1.1.0');
  const refused = async (words: string): Promise<void> => {
    const outcome = await node.updater(['apply']);
    expect(outcome, words).toMatchObject({ code: 3 });
    expect(outcome.stderr).toContain(words);
    expect([node.page()?.includes('1.0.0'), node.hasMarker(), node.quarantined()]).toStrictEqual([
      true,
      false,
      [],
    ]);
  };
  check('echo $LANDFALL_VERSION after $LANDFALL_FROM; ls; test $PWD != $LANDFALL_DEPLOYMENT');
  await refused("check 'mine' failed: 'sh' ended with 1: web-ui");
  expect(log()).toContain('1.1.0 after 1.0.0\nserver\nweb-ui\n');
  check('echo started; sleep 600', 'timeout = "300ms"');
  await refused("check 'mine' failed: 'sh' was still running after 300 ms: started");
  check('echo server 0.9', 'expect_version = true');
  await refused("expected its output to name 1.1.0, found 'server 0.9'");
  check('echo x >> web-ui/index.html');
  await refused('a check changed 1.1.0 on the disk: it was removed');

  const nginx = join(folder, 'nginx.conf');
  writeFileSync(nginx, 'events {}\nhttp { server { listen 127.0.0.1:1; nonsense; } }\n');
  const test = `nginx_test = ["nginx", "-t", "-q", "-c", "${nginx}"]\n`;
  check('./server --version; echo server $LANDFALL_VERSION', 'expect_version = true');
  writeFileSync(node.config, `${test}${readFileSync(node.config, 'utf8')}`);
  await refused('unknown directive "nonsense"');
  writeFileSync(nginx, `events {}\npid ${folder}/nginx.pid;\nhttp { access_log off; }\n`);
  expect(await node.updater(['apply'])).toMatchObject({ code: 0 });
  expect(node.page()).toContain('version 1.1.0');
  expect(log()).toMatch(/nginx: passed[\s\S]*mine: passed/);
});
