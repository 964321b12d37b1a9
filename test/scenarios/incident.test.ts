/**
 * The incident this project exists for, and its relatives, with a real nginx in
 * front of the node: workers as www-data, document root `<root>/current/web-ui`.
 * Whatever a release does wrong, it is refused before the switch or rolled back
 * after it, and visitors end on the page they had.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceSymlinkDurably } from '@landfall/durable';
import { describe, expect, it } from 'vitest';
import { startLoad } from '../harness/load.ts';
import { type Nginx, type NginxOptions, startNginx } from '../harness/nginx.ts';
import { makeNode, type TestNode } from '../harness/node.ts';
import {
  exampleWebUi,
  makeMirror,
  publish,
  ReleaseFactory,
  type ReleaseSpec,
  writeFiles,
} from '../harness/release-factory.ts';
import { temporaryFolder } from '../harness/temporary.ts';

interface Site {
  node: TestNode;
  nginx: Nginx;
  /** Makes and publishes the next release. */
  ship(spec: ReleaseSpec): Promise<void>;
  /** What a visitor gets: status and body of `path`. */
  visit(path?: string): Promise<{ status: number; body: string }>;
}

/** A node behind nginx that runs release 1.0.0, committed. `restart` is a script run after each switch. */
async function makeSite(
  options: {
    nginx?: (root: string) => Partial<NginxOptions>;
    restart?: (root: string) => string;
    top?: readonly string[];
  } = {},
): Promise<Site> {
  const folder = temporaryFolder();
  chmodSync(folder, 0o755);
  const factory = new ReleaseFactory(join(folder, 'releases'));
  const mirror = makeMirror(join(folder, 'mirror'));
  const script = join(folder, 'restart.sh');
  let nginx: Nginx | undefined;
  const node = await makeNode({
    keys: [factory.publicKey],
    mirrors: [mirror],
    serve: async (root) => {
      writeFileSync(script, options.restart?.(root) ?? 'exit 0\n');
      nginx = await startNginx({
        folder: join(folder, 'nginx'),
        root: join(root, 'current/web-ui'),
        ...options.nginx?.(root),
      });
      return `${nginx.url}/`;
    },
    top: ['probation = "0s"', 'web_user = "www-data"', ...(options.top ?? [])],
    tables: [
      '[[services]]',
      'name = "site"',
      'manager = "command"',
      `restart = ["sh", "${script}"]`,
    ],
  });
  if (nginx === undefined) throw new Error('nginx was not started');
  const { url } = nginx;
  const site: Site = {
    node,
    nginx,
    ship: async (spec) => publish(await factory.make(spec), mirror),
    visit: async (path = '/') => {
      const response = await fetch(url + path, { signal: AbortSignal.timeout(10_000) });
      return { status: response.status, body: await response.text() };
    },
  };
  await site.ship({ version: '1.0.0', webUi: exampleWebUi('1.0.0') });
  const installed = await node.updater(['apply']);
  expect(installed, installed.stderr).toMatchObject({ code: 0 });
  expect(await site.visit()).toEqual({ status: 200, body: exampleWebUi('1.0.0')['index.html'] });
  return site;
}

/** A tar made by hand, with GNU tar and zstd, after `spoil` was at the tree. */
function handMade(version: string, spoil: (tree: string) => void): Uint8Array {
  const folder = temporaryFolder();
  const tree = join(folder, 'web-ui');
  writeFiles(tree, exampleWebUi(version));
  execFileSync('chmod', ['-R', 'u=rwX,go=rX', tree]);
  spoil(tree);
  const file = join(folder, 'web-ui.tar.zst');
  execFileSync('tar', [
    '--zstd',
    '--sort=name',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '-C',
    tree,
    '-cf',
    file,
    '.',
  ]);
  return readFileSync(file);
}

/** What must hold after a bad release, whatever was wrong with it. */
async function expectUnharmed(site: Site): Promise<void> {
  expect(await site.visit()).toEqual({ status: 200, body: exampleWebUi('1.0.0')['index.html'] });
  expect(await site.visit('/assets/app.js')).toMatchObject({ status: 200 });
  expect(site.node.current()).toMatch(/^1\.0\.0-/);
  expect(site.node.hasMarker()).toBe(false);
  // What is given up tells of the release, and of the state that is gone back to.
  const kept = site.node
    .journal()
    .filter(({ event }) => event !== 'abandoned')
    .filter(({ version, next }) => version === '1.1.0' && /probation|committed/.test(String(next)));
  expect(kept).toEqual([]);
  // And it stays that way: the timer's next turn does not try again.
  const again = await site.node.updater(['once']);
  expect(again.stdout + again.stderr).toContain('quarantine');
  expect(site.node.current()).toMatch(/^1\.0\.0-/);
}

describe('refused before the switch', () => {
  const archives: [string, (tree: string) => void, string][] = [
    ['a root directory of 0700', (tree) => chmodSync(tree, 0o700), 'drwx------'],
    ['an index.html of 0600', (tree) => chmodSync(join(tree, 'index.html'), 0o600), 'index.html'],
    ['an assets folder of 0700', (tree) => chmodSync(join(tree, 'assets'), 0o700), 'assets'],
  ];
  it.each(archives)('a validly signed archive with %s', async (_, spoil, named) => {
    const site = await makeSite();
    await site.ship({
      version: '1.1.0',
      webUi: exampleWebUi('1.1.0'),
      archive: handMade('1.1.0', spoil),
    });
    const outcome = await site.node.updater(['apply']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 3 });
    expect(outcome.stderr).toContain(named);
    expect(
      site.node
        .journal()
        .map((line) => JSON.stringify(line))
        .join('\n'),
    ).not.toMatch(/switch.*1\.1\.0/);
    await expectUnharmed(site);
  });

  it('a release whose index.html is empty', async () => {
    const site = await makeSite();
    await site.ship({ version: '1.1.0', webUi: { ...exampleWebUi('1.1.0'), 'index.html': '' } });
    const outcome = await site.node.updater(['apply']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 3 });
    expect(outcome.stderr).toContain('index.html');
    await expectUnharmed(site);
  });
});

describe('a refused archive whose manifest claims the content of what runs', () => {
  it('is kept out by its own bytes; what runs can still be gone back to', async () => {
    // Else nothing is downloaded: what the manifest claims is here already.
    const site = await makeSite({ top: ['deltas = false'] });
    const same = exampleWebUi('1.0.0');
    const archive = handMade('1.0.0', (tree) => chmodSync(tree, 0o700));
    await site.ship({ version: '1.1.0', webUi: same, archive });
    expect(await site.node.updater(['apply'])).toMatchObject({ code: 3 });
    await expectUnharmed(site);
    await site.ship({ version: '1.2.0', webUi: exampleWebUi('1.2.0') });
    expect(await site.node.updater(['apply'])).toMatchObject({ code: 0 });
    expect(await site.node.updater(['rollback', '--reason', 'to see it'])).toMatchObject({
      code: 0,
    });
    expect(site.node.current()).toMatch(/^1\.0\.0-/);
  });
});

describe('rolled back after the switch', () => {
  /** Breaks what `current` leads to when it is not release 1.0.0. */
  const onlyNewer = (root: string, command: string): string =>
    `case $(readlink ${root}/current) in deployments/1.0.0-*) ;; *) ${command} ;; esac\n`;

  it.each([
    [
      'the deployment disappears and `current` dangles',
      (root: string) => `rm -rf ${root}/$(readlink ${root}/current)`,
    ],
    ['something makes its root 0700', (root: string) => `chmod 700 ${root}/current/web-ui`],
    [
      'something makes index.html 0600',
      (root: string) => `chmod 600 ${root}/current/web-ui/index.html`,
    ],
    [
      'something makes the assets folder 0700',
      (root: string) => `chmod 700 ${root}/current/web-ui/assets`,
    ],
    ['something empties index.html', (root: string) => `: > ${root}/current/web-ui/index.html`],
  ])('when %s', async (_, command) => {
    const site = await makeSite({ restart: (root) => onlyNewer(root, command(root)) });
    await site.ship({ version: '1.1.0', webUi: exampleWebUi('1.1.0') });
    const outcome = await site.node.updater(['apply']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 1 });
    expect(outcome.stdout + outcome.stderr).toMatch(/rolled back/i);
    expect(site.node.quarantined()).toEqual(['1.1.0']);
    await expectUnharmed(site);
  });

  it('when the server answers 200 with index.html for everything, also for the assets', async () => {
    const site = await makeSite({
      nginx: () => ({
        fallback: true,
        extra: 'location /static/ { rewrite ^ /index.html last; }',
      }),
    });
    const moved = Object.fromEntries(
      Object.entries(exampleWebUi('1.1.0')).map(([path, content]) => [
        path.replace(/^assets\//, 'static/'),
        content.replaceAll('assets/', 'static/'),
      ]),
    );
    await site.ship({ version: '1.1.0', webUi: moved });
    const outcome = await site.node.updater(['apply']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 1 });
    expect(outcome.stdout + outcome.stderr).toContain('static/');
    await expectUnharmed(site);
  });

  it('when the server keeps serving the old release with 200', async () => {
    const pinned = join(temporaryFolder(), 'old');
    writeFiles(pinned, exampleWebUi('1.0.0'));
    execFileSync('chmod', ['-R', 'u=rwX,go=rX', join(pinned, '..')]);
    const site = await makeSite({ nginx: () => ({ root: pinned, fallback: true }) });
    await site.ship({ version: '1.1.0', webUi: exampleWebUi('1.1.0') });
    const outcome = await site.node.updater(['apply']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 1 });
    await expectUnharmed(site);
  });
});

describe('a good release', () => {
  it('is taken over https with a self-signed certificate that is pinned', async () => {
    const folder = temporaryFolder();
    chmodSync(folder, 0o755);
    const factory = new ReleaseFactory(join(folder, 'releases'));
    const mirror = makeMirror(join(folder, 'mirror'));
    publish(await factory.make({ version: '1.0.0', webUi: exampleWebUi('1.0.0') }), mirror);
    let url = '';
    const probe: Record<string, string> = {};
    const nginxFolder = join(folder, 'nginx');
    const node = await makeNode({
      keys: [factory.publicKey],
      mirrors: [mirror],
      serve: async (root) => {
        mkdirSync(nginxFolder);
        const nginx = await startNginx({
          folder: nginxFolder,
          root: join(root, 'current/web-ui'),
          tls: true,
        });
        const der = execFileSync('openssl', [
          'x509',
          '-in',
          join(nginxFolder, 'cert.pem'),
          '-outform',
          'der',
        ]);
        const digest = execFileSync('openssl', ['dgst', '-sha256', '-r'], {
          input: der,
          encoding: 'utf8',
        });
        probe['tls'] = `sha256:${digest.slice(0, 64)}`;
        url = nginx.url;
        return `${nginx.url}/`;
      },
      probe,
      top: ['probation = "0s"', 'web_user = "www-data"'],
    });
    const outcome = await node.updater(['apply']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    expect(url).toMatch(/^https:/);
    expect(node.current()).toMatch(/^1\.0\.0-/);
  });

  it('replaces the old one under load without a failed request, hundreds of times', async () => {
    const site = await makeSite();
    const [old, fresh] = [exampleWebUi('1.0.0'), exampleWebUi('1.1.0')];
    const bodies = Object.fromEntries(
      Object.keys(old).map((path) => [`/${encodeURI(path)}`, [old[path] ?? '', fresh[path] ?? '']]),
    );
    const load = startLoad({ url: site.nginx.url, connections: 20, bodies });
    await load.started;
    await site.ship({ version: '1.1.0', webUi: fresh });
    const applied = await site.node.updater(['apply']);
    expect(applied, applied.stderr).toMatchObject({ code: 0 });
    const newer = site.node.current() ?? '';
    expect(newer).toMatch(/^1\.1\.0-/);
    const back = await site.node.updater(['rollback', '--reason', 'to see it under load']);
    expect(back, back.stderr).toMatchObject({ code: 0 });
    const older = site.node.current() ?? '';
    expect(older).toMatch(/^1\.0\.0-/);
    const link = join(site.node.root, 'current');
    for (let turn = 0; turn < 300; turn += 1) {
      replaceSymlinkDurably(link, `deployments/${turn % 2 === 0 ? newer : older}`);
      // Long enough that every connection meets it.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const { requests, failures } = await load.stop();
    expect(failures).toEqual({});
    expect(requests).toBeGreaterThan(2000);
    expect(existsSync(link)).toBe(true);
  });
});
