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
import { extractFile, extractTree, gateArchive, sameTree } from '@landfall/archive';
import { crashPoint, formatBytes } from '@landfall/cli';
import { makeDirectoryDurably, renameDurably, syncTree } from '@landfall/durable';
import type { Selected } from '@landfall/manifest';
import { downloadArtifact } from '@landfall/mirrors';
import { deploymentPath, isDirectory } from '../deployments.ts';
import { UpdaterError } from '../errors.ts';
import { stopIfTold, timestamp, type Host } from '../host.ts';
import type { Offer } from '../offer.ts';
import { isStaged } from './preflight.ts';
import { removeDeployment, STAGING_PREFIX } from './tidy.ts';
import { gateAsWebUser } from './web-user.ts';

/**
 * Brings `offer` onto the disk, or finds it there whole. Throws what stands
 * against it: `MirrorError`, `ArchiveError`, `UpdaterError` COMPONENT_CHECK or
 * WEB_USER, `DurableError`; nothing that runs was touched then.
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
  await checkTree(host, staging);
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
    await unpack(component, download.fd, join(staging, component.name), signal);
    crashPoint('stage-extracted');
  } finally {
    closeSync(download.fd);
  }
  rmSync(unverified, { force: true });
  stopIfTold(signal);
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
  const { tree: found } = await gateArchive(fd, { name, signal });
  if (!sameTree(found, artifact.tree)) {
    throw new UpdaterError('COMPONENT_CHECK', `'${name}' does not hold the tree that was signed`, {
      hint: 'the release contradicts itself: tell the maintainer',
    });
  }
  makeFolder(target);
  await extractTree(fd, target, { expect: artifact.tree, name, signal });
}

/** The component's own checks, and the mode gate as the web server's user, before anything is switched. */
async function checkTree(host: Host, staging: string): Promise<void> {
  const { component, version_url: versionUrl } = host.config.probe;
  const folder = join(staging, component);
  if (!isDirectory(folder)) return;
  if (versionUrl === undefined) {
    const page = lstatSync(join(folder, 'index.html'), { throwIfNoEntry: false });
    const wrong = page === undefined ? 'is missing' : page.size === 0 ? 'is empty' : undefined;
    if (wrong !== undefined) {
      throw new UpdaterError('COMPONENT_CHECK', `'index.html' of '${component}' ${wrong}`, {
        hint: 'the release would show nothing: tell the maintainer',
      });
    }
  }
  await gateAsWebUser(host, folder);
}

/** A folder with the mode that everything of a release has, whatever the umask. */
function makeFolder(path: string): void {
  mkdirSync(path);
  chmodSync(path, 0o755);
}
