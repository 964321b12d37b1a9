/** A private Gitea repository as the only mirror: shipped to, audited and installed from, with tokens that read. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { runCommand } from '../harness/command.ts';
import { startGiteaStandIn } from '../harness/gitea-stand-in/server.ts';
import { makeNode } from '../harness/node.ts';
import { useProject, writeWebUi } from '../harness/project.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const REPOSITORY = 'isles/archipelago';

it('serves its nodes, and its history, to those who show a token, and to nobody else', async () => {
  const server = await startGiteaStandIn({
    repository: REPOSITORY,
    isPrivate: true,
    draftsArePublic: false,
  });
  onTestFinished(() => server.close());
  const mirror = { type: 'gitea' as const, url: server.url, repository: REPOSITORY };
  const site = await useProject({
    mirrors: [],
    configure: (config) => {
      config.components = [{ name: 'web-ui', kind: 'tree', from: 'dist' }];
      config.mirrors = [
        { ...mirror, name: 'north', token: { env: 'WRITE' }, readToken: { env: 'READ' } },
      ];
    },
  });
  const env = { WRITE: server.token, READ: server.token };
  for (const version of ['1.0.0', '1.1.0']) {
    writeWebUi(site, version);
    expect(await site.release(['ship', version], { env })).toMatchObject({ code: 0 });
  }

  // Only the token that reads, and the earlier manifest from git.
  const asked = server.requests.length;
  const audit = ['audit', '--json'];
  const cwd = site.directory;
  expect(await runCommand('mirrors', audit, { cwd, env: { READ: server.token } })).toMatchObject({
    code: 0,
  });
  const fetched = server.requests.slice(asked).filter(({ url }) => url.includes('upload-pack'));
  expect(fetched.some(({ authorization }) => authorization?.startsWith('Basic '))).toBe(true);
  const refused = await runCommand('mirrors', audit, { cwd, env: { READ: 'f'.repeat(40) } });
  expect(refused.code).toBe(1);
  expect(`${refused.stdout}${refused.stderr}`).not.toContain('f'.repeat(40));

  const secret = join(temporaryFolder(), 'token');
  const setToken = (text: string): void => {
    writeFileSync(secret, `${text}\n`);
    chmodSync(secret, 0o600);
  };
  setToken('0'.repeat(40));
  const node = await makeNode({
    keys: [site.publicKey],
    mirrors: [],
    tables: [
      '[[mirrors]]',
      'type = "gitea"',
      `url = "${server.url}"`,
      `repository = "${REPOSITORY}"`,
      `readToken = { file = "${secret}" }`,
    ],
  });
  const stranger = await node.updater(['apply']);
  expect(stranger.code).toBe(1);
  expect(stranger.stderr).not.toContain('0'.repeat(40));
  setToken(server.token);
  const applied = await node.updater(['apply']);
  expect([applied.code, applied.stderr]).toEqual([0, expect.not.stringContaining(server.token)]);
  expect(node.current()).toContain('1.1.0-');
});
