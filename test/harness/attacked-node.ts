/**
 * A node among mirrors in an attacker's hands. The updater runs inside of the
 * test, from its configuration to the verdict, so that an attack costs
 * milliseconds; and after it the node can be compared with what it was before.
 */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { OtaError } from '@landfall/errors';
import { expect } from 'vitest';
import { loadConfig } from '../../updater/config.ts';
import { openHost } from '../../updater/host.ts';
import type { Wish } from '../../updater/offer.ts';
import { settle } from '../../updater/settle.ts';
import { update } from '../../updater/update.ts';
import { type HostileMirror, startHostileMirror } from './hostile-mirror.ts';
import { makeNode, type NodeOptions, type TestNode } from './node.ts';
import { exampleWebUi, type Release, ReleaseFactory, type ReleaseSpec } from './release-factory.ts';
import { temporaryFolder } from './temporary.ts';
import { WebServer } from './web-server.ts';

/** What became of one update. */
export interface Attempt {
  /** `failed`: it ended with an error before anything was decided. */
  outcome: 'kept' | 'left' | 'declined' | 'failed';
  /** Of the refusal or the error. */
  code: string | undefined;
  /** Everything that an operator was told, one line each. */
  told: string;
}

export interface Attacked {
  factory: ReleaseFactory;
  node: TestNode;
  /** In the attacker's hands. */
  evil: HostileMirror;
  /** All of them: `evil`, then those that stay honest. */
  mirrors: readonly HostileMirror[];
  /** Makes a release with the maintainer's key; nothing is published yet. */
  make: (version: string, spec?: Partial<ReleaseSpec>) => Promise<Release>;
  /** Puts it on every mirror, where this node looks for it. */
  publish: (release: Release) => void;
  /** Runs the updater as `updater apply` does. */
  update: (wish?: Wish) => Promise<Attempt>;
}

/**
 * A node that runs 1.0.0 (made as `first` says), with `honest` mirrors beside
 * the hostile one.
 */
export async function attackedNode(
  options: Partial<NodeOptions> & { honest?: number; first?: Partial<ReleaseSpec> } = {},
): Promise<Attacked> {
  const { honest = 0, top = [], first: how, ...others } = options;
  const factory = new ReleaseFactory(join(temporaryFolder(), 'releases'));
  const evil = await startHostileMirror();
  const mirrors = [evil];
  for (let count = 0; count < honest; count += 1) mirrors.push(await startHostileMirror());
  const place = temporaryFolder();
  const web = await WebServer.start(join(place, 'root'));
  const node = await makeNode({
    keys: [factory.publicKey],
    mirrors: mirrors.map(({ url }) => url),
    place: () => place,
    serve: () => Promise.resolve(web.url),
    // No component of that name: looking at it as another user would take a process.
    probe: { component: 'page', version_url: `${web.url}version.json`, interval: '5ms' },
    ...others,
    top: ['probation = "0s"', ...top],
  });
  const attacked: Attacked = {
    factory,
    node,
    evil,
    mirrors,
    make: (version, spec = {}) => factory.make({ version, webUi: webUi(version), ...spec }),
    publish: (release) =>
      mirrors.forEach((mirror) => mirror.publish(release, { channel: options.channel })),
    update: (wish) => updateWithin(node, wish),
  };
  attacked.publish(await attacked.make('1.0.0', how));
  const first = await attacked.update();
  if (first.outcome !== 'kept') throw new Error(`1.0.0 was not installed: ${first.told}`);
  return attacked;
}

/** What an attack came to. */
export interface Aftermath {
  code: string | undefined;
  told: string;
  floor: number;
  /** Everything else that an attacker could have changed, and did. */
  changed: string[];
}

/** Runs `attack`, then the updater, and looks at what it left. */
export async function underAttack(scene: Attacked, attack: () => void): Promise<Aftermath> {
  const before = imageOf(scene.node);
  attack();
  const { code, told } = await scene.update();
  const after = imageOf(scene.node);
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const changed = [...names].filter((name) => before[name] !== after[name]);
  return { code, told, floor: scene.node.floor(), changed };
}

/** The aftermath of an attack that came to nothing: refused with `code` and words that match. */
export function refused(code: RegExp | string, words: RegExp | string, floor = 1): unknown {
  const told: unknown =
    typeof words === 'string' ? expect.stringContaining(words) : expect.stringMatching(words);
  return { code: expect.stringMatching(code) as unknown, told, floor, changed: [] };
}

/** The example UI, which tells its version. */
function webUi(version: string): Record<string, string> {
  return { ...exampleWebUi(version), 'version.json': JSON.stringify({ version }) };
}

/** Settles and updates as the commands do. Throws what is no `OtaError`. */
async function updateWithin(node: TestNode, wish: Wish = { byHand: true }): Promise<Attempt> {
  const lines: string[] = [];
  const host = openHost(loadConfig(node.config), {
    signal: new AbortController().signal,
    note: (line) => lines.push(line),
    preserve: true,
  });
  try {
    const { state } = await settle(host, { online: true });
    const { outcome, decline } = await update(host, state, wish);
    if (decline !== undefined) lines.push(decline.reason, decline.hint ?? '');
    return { outcome, code: decline?.code, told: lines.join('\n') };
  } catch (error) {
    if (!(error instanceof OtaError)) throw error;
    lines.push(error.message, error.hint ?? '');
    return { outcome: 'failed', code: error.code, told: lines.join('\n') };
  }
}

/**
 * Everything beside the configuration and the floor, byte by byte; of the state
 * what decides (state, quarantine, marker) and whatever lies in `downloads`.
 */
function imageOf(node: TestNode): Record<string, string> {
  const image: Record<string, string> = {};
  const place = dirname(node.root);
  const names = readdirSync(place, { recursive: true, encoding: 'utf8' });
  for (const name of names.toSorted()) {
    const isState = name.startsWith('state/');
    const decides =
      /^state\/((quarantine|state|pending-verification)\.json$|(downloads|trust)\/(?!newest))/;
    if (name === 'root/floor.json') continue;
    if (!isState || decides.test(name)) image[name] = describe(join(place, name));
  }
  return image;
}

function describe(path: string): string {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) return `-> ${readlinkSync(path)}`;
  const mode = (stat.mode & 0o7777).toString(8);
  if (!stat.isFile()) return `folder ${mode}`;
  return `${mode} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`;
}
