/**
 * From a mirror's bytes to a whole deployment beside the one that runs.
 *
 * Bytes lie in `<file>.unverified` until their digest is that of the signed
 * manifest; the file that was hashed, by descriptor, is the one that is gated and
 * extracted: range after range while the rest is downloaded, where the manifest
 * signs ranges. Files land in `.staging-<id>` and get their final name in one
 * rename, after every byte of them is synced. A crash before that rename
 * leaves only names that the next start removes, and downloads that it goes on with.
 */
import { lstatSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ArchiveError, extractFile, extractTree, type ListingEntry } from '@landfall/archive';
import { crashPoint, formatBytes } from '@landfall/cli';
import { makeDirectoryDurably, syncDirectory, TreeSync } from '@landfall/durable';
import { ExitCode } from '@landfall/errors';
import type { Selected } from '@landfall/manifest';
import { isDirectory } from '../deployments.ts';
import { ReleaseRefusal } from '../errors.ts';
import { beFrugal } from '@landfall/archive/frugal';
import { stopIfTold, timestamp, type Host } from '../host.ts';
import type { Offer } from '../offer.ts';
import { type InventoryComponent, writeInventory } from '../records/inventory-file.ts';
import { bytesLeft, keepDownloads, removeDownload } from './downloads.ts';
import { isStaged } from './preflight.ts';
import { type Base, findBase, Sharing } from './base.ts';
import { type Archive, readWhileFetched, type Source } from './fetch.ts';
import { bytesToFetch, stageFromBase } from './from-base.ts';
import { makeFolder } from './make-folder.ts';
import { traceOfWork, whileAtWork } from '../trace.ts';
import { checkSpace } from './space.ts';
import { replaceDeployment, STAGING_PREFIX } from './tidy.ts';
import { unpackAsTold } from './unpack-apart.ts';
import { LookApart, type User } from './look-apart.ts';
import { findWebUser, gateAsWebUser, isRoot } from './web-user.ts';

/** What staging needs of an offer. */
export type Stageable = Pick<Offer, 'deployment' | 'selected' | 'mirrors'>;

/**
 * Brings `offer` onto the disk, or finds it there whole. Throws what stands
 * against it: `MirrorError`, `ReleaseRefusal`, `UpdaterError` WEB_USER, `DurableError`;
 * nothing that runs was touched then.
 */
export async function stage(host: Host, offer: Stageable): Promise<void> {
  const { paths, store } = host;
  const { deployment } = offer;
  const { id } = deployment;
  beFrugal();
  if (isStaged(host, offer)) {
    host.note(`${id} is on the disk already, whole`);
    // Perhaps by a rename that a crash kept from the disk.
    syncDirectory(paths.deployments);
    store.recordStaged(deployment, timestamp());
    return;
  }
  // Other programs are asked for it meanwhile; nobody may wait for it in the end.
  const webUser = findWebUser(host);
  webUser.catch(() => {});
  const apart = new LookApart();
  try {
    await stageAnew(host, offer, { user: webUser, apart });
  } finally {
    apart.end();
  }
}

/** Who looks at what is staged, before it gets its name. */
interface WebUserLook {
  user: Promise<User | undefined>;
  apart: LookApart;
}

async function stageAnew(host: Host, offer: Stageable, webUser: WebUserLook): Promise<void> {
  const { paths, store } = host;
  const { deployment } = offer;
  const { id } = deployment;
  makeDirectoryDurably(paths.deployments);
  makeDirectoryDurably(paths.downloads, 0o700);
  keepDownloads(paths, offer.selected);
  const staging = join(paths.deployments, `${STAGING_PREFIX}${id}`);
  rmSync(staging, { recursive: true, force: true });
  makeFolder(staging);
  const sync = new TreeSync(staging, traceOfWork(paths));
  const components: InventoryComponent[] = [];
  const base = findBase(host, id);
  // It takes as long to start as to look: while what came is unpacked.
  const isLookedAt = isRoot() && findUi(host, offer) !== undefined;
  const source = { ...offer, onFetched: () => void (isLookedAt && webUser.apart.start()) };
  for (const [index, component] of offer.selected.entries()) {
    const fromBase = base && (await stageFromBase(host, source, component, staging, base));
    if (fromBase !== undefined) {
      components.push(fromBase);
      continue;
    }
    if (base !== undefined) checkSpaceForWhole(host, offer.selected.slice(index), base);
    const sharing = base && new Sharing(host, base, component.name);
    components.push(await stageComponent(host, source, component, staging, { sharing, sync }));
    sharing?.tell(host);
  }
  // Two wait for other programs, and none changes what another sees: without the deployment a list of it is nothing.
  const list = async (): Promise<void> => {
    await nextTurn();
    writeInventory(paths, { deployment, components });
    crashPoint('stage-inventoried');
  };
  const looked = checkTree(host, offer, staging, webUser);
  const ends = await whileAtWork(paths, () => Promise.allSettled([looked, sync.finish(), list()]));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  crashPoint('stage-synced');
  store.recordStaged(deployment, timestamp());
  replaceDeployment(host, id, staging);
}

/** What else becomes of files that are unpacked. */
interface Unpacking {
  /** Names what they are shared with. */
  sharing?: Sharing | undefined;
  /** Is told of what is written. */
  sync?: TreeSync;
}

/** The first of `left` comes whole, after room was looked for as if it might not. */
function checkSpaceForWhole(host: Host, left: readonly Selected[], base: Base): void {
  const [whole] = left;
  checkSpace(host.paths, left, (each) =>
    each === whole ? bytesLeft(host.paths, each) : bytesToFetch(host, each, base),
  );
}

/**
 * Downloads one component and unpacks it into the folder `staging`, checked
 * against what was signed. What is of no use is not kept.
 */
export async function stageComponent(
  host: Host,
  source: Source,
  component: Selected,
  staging: string,
  how: Unpacking = {},
): Promise<InventoryComponent> {
  beFrugal();
  const { name, kind } = component;
  const { platform, file, size, sha256 } = component.artifact;
  host.note(`downloading ${file} (${formatBytes(size)})`);
  const read = (archive: Archive): Promise<ListingEntry[]> =>
    unpack(host, component, archive, join(staging, name), how).catch(blame(sha256));
  const entries = await readWhileFetched(host, source, component.artifact, read);
  crashPoint('stage-extracted');
  removeDownload(host.paths, file);
  stopIfTold(host.signal);
  return { name, kind, artifact: { platform, file, size, sha256 }, entries };
}

/** A refusal of the archive's is the artifact's fault; a full disk is not. */
function blame(artifact: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof ArchiveError) || error.exit !== ExitCode.refused) throw error;
    throw new ReleaseRefusal(artifact, error.message, error);
  };
}

async function unpack(
  host: Host,
  component: Selected,
  { fd, arrival }: Archive,
  target: string,
  { sharing, sync }: Unpacking,
): Promise<ListingEntry[]> {
  const how = { signal: host.signal, unpack: unpackAsTold(host), arrival };
  const { kind, artifact } = component;
  const name = artifact.file;
  if (kind === 'file') {
    const { mode, contentSha256, contentSize } = artifact;
    await extractFile(fd, target, { mode, contentSha256, contentSize, name, ...how });
    return [{ path: '.', type: 'file', mode, size: contentSize, sha256: contentSha256 }];
  }
  makeFolder(target);
  const reuse = sharing?.reuse;
  const onWritten = (bytes: number): void => sync?.wrote(bytes);
  const options = { expect: artifact.tree, name, reuse, onWritten, ...how };
  // The mode gate is in it: an archive that it refuses leaves nothing but the staging folder, which goes.
  return (await extractTree(fd, target, options)).listing;
}

/** The component that a web server serves. */
function findUi({ config }: Host, { selected }: Pick<Stageable, 'selected'>): Selected | undefined {
  return selected.find(({ name }) => name === config.probe.component);
}

/** The component's own checks, and the mode gate as the web server's user, before anything is switched. */
async function checkTree(
  host: Host,
  { selected }: Stageable,
  staging: string,
  { user, apart }: WebUserLook,
): Promise<void> {
  const { component, version_url: versionUrl } = host.config.probe;
  const folder = join(staging, component);
  const ui = findUi(host, { selected });
  if (ui === undefined || !isDirectory(folder)) return;
  if (versionUrl === undefined) {
    const page = lstatSync(join(folder, 'index.html'), { throwIfNoEntry: false });
    const wrong = page === undefined ? 'is missing' : page.size === 0 ? 'is empty' : undefined;
    if (wrong !== undefined) {
      throw new ReleaseRefusal(ui.artifact.sha256, `'index.html' of '${component}' ${wrong}`);
    }
  }
  await gateAsWebUser(host, folder, await user, apart);
}
