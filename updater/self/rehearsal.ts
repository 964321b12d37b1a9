/**
 * An update and a rollback on a node made for it: a folder below the state,
 * two releases of one page, a web server on this machine. What switches,
 * writes the state and probes is this program's own machine; services, hooks
 * and everything else of the real node are left out.
 *
 * The folder goes when it is done. A crash leaves it, and the next proof
 * removes it; nothing ever reads it.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hash } from 'node:crypto';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { digestTree, extractFile } from '@landfall/archive';
import { makeDirectoryDurably } from '@landfall/durable';
import { contentDigest, deploymentId } from '@landfall/manifest';
import type { Manifest, Selected } from '@landfall/manifest';
import { generateKeyPair, publicKeyBase64 } from '@landfall/minisign';
import { parseConfig } from '../config.ts';
import { deploymentPath, findDamage, readCurrent } from '../deployments.ts';
import { unpackAsTold } from '../effects/unpack-apart.ts';
import { UpdaterError } from '../errors.ts';
import type { Deployment } from '../facts.ts';
import { openHost, type Host } from '../host.ts';
import type { Offer } from '../offer.ts';
import type { State } from '../machine.ts';
import { drive, type Result } from '../runner.ts';

const PREFIX = 'rehearsal-';
const COMPONENT = 'web-ui';

/** Removes what rehearsals that died left in the state folder. */
export function removeRehearsals(state: string): void {
  for (const name of readdirSync(state)) {
    if (name.startsWith(PREFIX)) rmSync(join(state, name), { recursive: true, force: true });
  }
}

/** Goes forward and back once. Throws `UpdaterError` SELF_CHECK where it ends elsewhere. */
export async function rehearse(host: Host): Promise<void> {
  const { config, signal } = host;
  const folder = mkdtempSync(join(config.state, PREFIX));
  const page = join(folder, 'root/current', COMPONENT, 'index.html');
  // One page and nothing else, whoever asks: it runs as root.
  const server = process.getBuiltinModule('node:http').createServer((request, response) => {
    const found = request.url === '/' || request.url === '/index.html';
    if (found && existsSync(page)) response.end(readFileSync(page));
    else response.writeHead(404).end();
  });
  try {
    const url = await listen(server);
    await goForwardAndBack(openRehearsal(folder, url, signal));
    await unpackSample(host, folder);
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Its releases are on the disk already: nobody has to sign them. */
function openRehearsal(folder: string, url: string, signal: AbortSignal): Host {
  const { publicKey } = generateKeyPair();
  const text = [
    'app = "rehearsal"',
    `public_keys = [${JSON.stringify(publicKeyBase64(publicKey))}]`,
    `root = ${JSON.stringify(join(folder, 'root'))}`,
    `state = ${JSON.stringify(join(folder, 'state'))}`,
    '[[mirrors]]',
    'name = "none"',
    'type = "directory"',
    `path = ${JSON.stringify(folder)}`,
    '[probe]',
    `url = ${JSON.stringify(url)}`,
    'window = "10s"',
    'interval = "20ms"',
    'passes = 2',
  ].join('\n');
  const config = parseConfig(text, join(folder, 'updater.toml'));
  mkdirSync(config.state, { recursive: true });
  return openHost(config, { signal, note: () => {}, preserve: true });
}

/** Unpacking in a process of its own needs things of the runtime that nothing else here does. */
async function unpackSample(host: Host, folder: string): Promise<void> {
  const sample = join(folder, 'sample.zst');
  const content = Buffer.from('sample');
  writeFileSync(sample, zstdCompressSync(content));
  await extractFile(sample, join(folder, 'sample'), {
    mode: 0o644,
    contentSha256: hash('sha256', content),
    contentSize: content.length,
    signal: host.signal,
    unpack: unpackAsTold(host),
  });
}

async function goForwardAndBack(host: Host): Promise<void> {
  const [first, second] = [makeOffer(host, '1.0.0', 1), makeOffer(host, '2.0.0', 2)];
  for (const offer of [first, second]) {
    const { state } = host.store;
    const rest = state.name === 'probation' ? { ...state, name: 'committed' as const } : state;
    const found = { name: 'found' as const, to: offer.deployment, asked: true };
    const staged = stateOf(await drive(host, rest, found, offer));
    const done = stateOf(await drive(host, staged, { name: 'activate' }, offer));
    expectState(host, done.name, 'probation', offer.deployment);
  }
  const reason = 'this is a rehearsal';
  const asked = { name: 'rollback-asked' as const, to: first.deployment, reason };
  const back = stateOf(await drive(host, host.store.state, asked));
  expectState(host, back.name, 'rolled-back', first.deployment);
}

/** Throws what kept an effect from being carried out: a full disk is no fault of the program's. */
function stateOf({ state, error }: Result): State {
  if (error !== undefined) throw error;
  return state;
}

/** Asks the disk, not the memory of what was written. */
function expectState(host: Host, found: string, name: string, runs: Deployment): void {
  const { config, signal, paths } = host;
  const { store } = openHost(config, { signal, note: () => {}, preserve: false });
  const current = readCurrent(paths);
  const problem =
    found === name && store.state.name === name
      ? current.kind === 'deployment' && current.id === runs.id
        ? store.marker === undefined
          ? findDamage(paths, runs)
          : 'its marker is still there'
        : `'current' is not ${runs.version}`
      : `expected state '${name}', found '${found}' and on the disk '${store.state.name}'`;
  if (problem === undefined) return;
  throw new UpdaterError('SELF_CHECK', `the rehearsal of ${name} failed: ${problem}`, {
    hint: `look at what stands in the way of files below ${config.state}`,
  });
}

/** A release of one page that is on the disk already, whole. */
function makeOffer({ paths }: Host, version: string, sequence: number): Offer {
  const scratch = join(paths.root, `new-${version}`);
  const folder = join(scratch, COMPONENT);
  const page = join(folder, 'index.html');
  mkdirSync(folder, { recursive: true });
  writeFileSync(page, `<title>${version}</title>\n`);
  chmodSync(page, 0o644);
  for (const each of [folder, scratch]) chmodSync(each, 0o755);
  const { digest, size, entries } = digestTree(folder);
  const artifact = {
    platform: 'any',
    file: `${COMPONENT}-${version}.tar.zst`,
    size: 1,
    sha256: digest,
    deltas: [],
    tree: { digest, size, entries },
  };
  const selected: Selected[] = [{ name: COMPONENT, kind: 'tree', artifact }];
  const content = contentDigest(selected);
  const id = deploymentId(version, content);
  makeDirectoryDurably(paths.deployments);
  renameSync(scratch, deploymentPath(paths, id));
  const deployment: Deployment = { id, version, digest: content, sequence };
  const manifest: Manifest = {
    schema: 1,
    app: 'rehearsal',
    channel: 'stable',
    version,
    sequence,
    published: '2026-01-01T00:00:00Z',
    expires: '2026-01-02T00:00:00Z',
    previous: null,
    commit: '',
    notes: '',
    components: [{ name: COMPONENT, kind: 'tree', artifacts: [artifact] }],
    requires: {},
    rollout: { steps: [] },
    withdrawn: [],
  };
  const verified = { manifest, bytes: new Uint8Array(), sha256: digest, signers: [] };
  return { verified, selected, deployment, mirrors: [] };
}

async function listen(server: Server): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
