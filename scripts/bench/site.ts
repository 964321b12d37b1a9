/**
 * All that an update needs: a project that shipped two releases to a mirror, the
 * mirror as it was after each of them, nginx in front of it and of a node, and
 * the node's configuration. Everything is below one folder, but for the node,
 * which is on the bench's disk.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HOUSE } from '../build/bundle.ts';
import type { Bench } from './bench.ts';
import { startWeb, type Web } from './web.ts';

export interface Site {
  /** The mirror after the first and after the second release. */
  mirrors: { old: string; new: string };
  /** The mirror's address; it serves what `serve` said last, the old one at first. */
  url: string;
  web: Web;
  /** The node's root, and its configuration. */
  root: string;
  config: string;
  serve(edition: 'old' | 'new'): void;
  /** Makes the disk anew, and an empty node on it. */
  emptyNode(): void;
  stop(): Promise<void>;
}

export interface SiteOptions {
  /** Shipped as 1.0.0, and then as 1.1.0. */
  trees: { old: string; new: string };
  /** Whether a delta is made, and the node may take it; yes unless told. */
  deltas?: boolean;
  /** Whether the node reads the mirror's folder itself; over HTTP unless told. */
  local?: boolean;
  /** Bytes a second that the mirror sends on one connection; as many as it can unless told. */
  rate?: number | undefined;
}

/** Ships both trees and lays the node out; nothing runs on it yet. */
export async function makeSite(bench: Bench, options: SiteOptions): Promise<Site> {
  const { trees, deltas = true, local = false, rate } = options;
  const folder = join(bench.scratch, 'site');
  const [mirror, live] = [join(folder, 'mirror'), join(folder, 'live')];
  const root = join(bench.disk.path, 'node/root');
  mkdirSync(folder);
  run('mirrors', ['init', mirror], folder);
  point(live, mirror);
  const web = await startWeb(join(folder, 'web'), [live, join(root, 'current/web-ui')], rate);
  const [url = '', page = ''] = web.urls;
  const keygen = run('release', ['keygen', '--no-password', '--out', 'release.key'], folder);
  const publicKey = /RW[A-Za-z0-9+/=]{54}/.exec(keygen)?.[0] ?? '';
  const ship = (version: string, tree: string): void => {
    writeFileSync(
      join(folder, 'release.config.ts'),
      releaseConfig({ publicKey, mirror, url, tree, deltas }),
    );
    run('release', ['ship', version], folder);
  };
  ship('1.0.0', trees.old);
  const old = join(folder, 'mirror-old');
  cpSync(mirror, old, { recursive: true });
  ship('1.1.0', trees.new);
  const serve = (edition: 'old' | 'new'): void => point(live, edition === 'old' ? old : mirror);
  serve('old');
  const config = join(folder, 'updater.toml');
  const state = join(bench.disk.path, 'node/state');
  writeFileSync(
    config,
    nodeConfig({
      publicKey,
      root,
      state,
      page,
      deltas,
      from: local ? `path = "${live}"` : `url = "${url}"`,
    }),
  );
  const emptyNode = (): void => {
    bench.disk.renew();
    for (const path of [root, state]) mkdirSync(path, { recursive: true });
    execFileSync('chmod', ['700', state]);
  };
  return {
    mirrors: { old, new: mirror },
    url,
    web,
    root,
    config,
    serve,
    emptyNode,
    stop: () => web.stop(),
  };
}

/** Moves the link in one step: nginx is never without it. */
function point(link: string, to: string): void {
  symlinkSync(to, `${link}.new`);
  renameSync(`${link}.new`, link);
}

function run(program: string, args: readonly string[], cwd: string): string {
  return execFileSync(join(HOUSE, program, 'bin', program), args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function releaseConfig(of: {
  publicKey: string;
  mirror: string;
  url: string;
  tree: string;
  deltas: boolean;
}): string {
  const config = {
    app: 'bench',
    channel: 'stable',
    keys: { secret: ['release.key'], public: [of.publicKey] },
    mirrors: [{ type: 'directory', name: 'near', path: of.mirror, url: of.url }],
    components: [{ name: 'web-ui', kind: 'tree', from: of.tree }],
    deltas: of.deltas ? 1 : 0,
  };
  return `import { defineConfig } from '@landfall/release';\n\nexport default defineConfig(${JSON.stringify(config)});\n`;
}

function nodeConfig(of: {
  publicKey: string;
  root: string;
  state: string;
  /** Where the mirror is, as a line. */
  from: string;
  page: string;
  deltas: boolean;
}): string {
  return [
    'app = "bench"',
    `public_keys = ["${of.publicKey}"]`,
    `root = "${of.root}"`,
    `state = "${of.state}"`,
    'probation = "0s"',
    ...(of.deltas ? [] : ['deltas = false']),
    '[[mirrors]]',
    'type = "directory"',
    'name = "near"',
    of.from,
    '[probe]',
    `url = "${of.page}"`,
    'window = "30s"',
    'interval = "100ms"',
    '',
  ].join('\n');
}
