/**
 * From a mirror's bytes to a whole deployment beside the one that runs.
 *
 * Bytes lie in `<file>.unverified` until their digest is that of the signed
 * manifest; the descriptor that was hashed is the one that is gated and
 * extracted. Files land in `.staging-<id>` and get their final name in one
 * rename, after every byte of them is synced. A crash before that rename
 * leaves only names that the next start removes.
 */
import { chmodSync, closeSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ArchiveError, extractFile, extractTree, gateArchive, sameTree } from '@landfall/archive';
import { crashPoint, formatBytes } from '@landfall/cli';
import { makeDirectoryDurably, renameDurably, syncTree } from '@landfall/durable';
import { ExitCode } from '@landfall/errors';
import type { Selected } from '@landfall/manifest';
import { downloadArtifact } from '@landfall/mirrors';
import { deploymentPath, isDirectory } from '../deployments.ts';
import { ReleaseRefusal } from '../errors.ts';
import { stopIfTold, timestamp, type Host } from '../host.ts';
import type { Offer } from '../offer.ts';
import { isStaged } from './preflight.ts';
import { removeDeployment, STAGING_PREFIX } from './tidy.ts';
import { gateAsWebUser } from './web-user.ts';

/**
 * Brings `offer` onto the disk, or finds it there whole. Throws what stands
 * against it: `MirrorError`, `ReleaseRefusal`, `UpdaterError` WEB_USER, `DurableError`;
 * nothing that runs was touched then.
 */
export async function stage(host: Host, offer: Offer): Promise<void> {
  const { paths, store } = host;
  const { id } = offer.deployment;
  if (isStaged(host, offer)) {
    host.note(`${id} is on the disk already, whole`);
    store.recordStaged(offer.deployment, timestamp());
    return;
  }
  removeDeployment(host, id);
  makeDirectoryDurably(paths.deployments);
  makeDirectoryDurably(paths.downloads, 0o700);
  const staging = join(paths.deployments, `${STAGING_PREFIX}${id}`);
  rmSync(staging, { recursive: true, force: true });
  makeFolder(staging);
  for (const component of offer.selected) await stageComponent(host, offer, component, staging);
  await checkTree(host, offer, staging);
  syncTree(staging);
  crashPoint('stage-synced');
  store.recordStaged(offer.deployment, timestamp());
  renameDurably(staging, deploymentPath(paths, id));
}

async function stageComponent(
  host: Host,
  offer: Offer,
  component: Selected,
  staging: string,
): Promise<void> {
  const { signal } = host;
  const { file, size, sha256 } = component.artifact;
  const unverified = join(host.paths.downloads, `${file}.unverified`);
  host.note(`downloading ${file} (${formatBytes(size)})`);
  const download = await downloadArtifact(offer.mirrors, {
    version: offer.deployment.version,
    file,
    size,
    sha256,
    to: unverified,
    onMirrorFailed: (mirror, error) => {
      host.note(error.message);
      host.journal.append({ at: timestamp(), mirror, problem: error.message });
    },
    signal,
  });
  try {
    crashPoint('stage-downloaded');
    await unpack(component, download.fd, join(staging, component.name), signal).catch(
      blame(sha256),
    );
    crashPoint('stage-extracted');
  } finally {
    closeSync(download.fd);
  }
  rmSync(unverified, { force: true });
  stopIfTold(signal);
}

/** A refusal of the archive's is the artifact's fault; a full disk is not. */
function blame(artifact: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof ArchiveError) || error.exit !== ExitCode.refused) throw error;
    throw new ReleaseRefusal(artifact, error.message, error);
  };
}

async function unpack(
  component: Selected,
  fd: number,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const { kind, artifact } = component;
  const name = artifact.file;
  if (kind === 'file') {
    const { mode, contentSha256, contentSize } = artifact;
    await extractFile(fd, target, { mode, contentSha256, contentSize, name, signal });
    return;
  }
  const limits = { maxEntries: artifact.tree.entries, maxTotalBytes: artifact.tree.size };
  const { tree: found } = await gateArchive(fd, { name, limits, signal });
  if (!sameTree(found, artifact.tree)) {
    throw new ReleaseRefusal(artifact.sha256, `'${name}' does not hold the tree that was signed`);
  }
  makeFolder(target);
  await extractTree(fd, target, { expect: artifact.tree, name, signal });
}

/** The component's own checks, and the mode gate as the web server's user, before anything is switched. */
async function checkTree(host: Host, { selected }: Offer, staging: string): Promise<void> {
  const { component, version_url: versionUrl } = host.config.probe;
  const folder = join(staging, component);
  const ui = selected.find(({ name }) => name === component);
  if (ui === undefined || !isDirectory(folder)) return;
  if (versionUrl === undefined) {
    const page = lstatSync(join(folder, 'index.html'), { throwIfNoEntry: false });
    const wrong = page === undefined ? 'is missing' : page.size === 0 ? 'is empty' : undefined;
    if (wrong !== undefined) {
      throw new ReleaseRefusal(ui.artifact.sha256, `'index.html' of '${component}' ${wrong}`);
    }
  }
  await gateAsWebUser(host, folder);
}

/** A folder with the mode that everything of a release has, whatever the umask. */
function makeFolder(path: string): void {
  mkdirSync(path);
  chmodSync(path, 0o755);
}
