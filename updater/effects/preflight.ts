/**
 * Everything that can be known before the first byte is fetched: room for the
 * whole update, every artifact on some mirror, a release that the probe can
 * judge. Changes nothing.
 */
import type { Mirror } from '@landfall/mirrors';
import { deploymentPath, findDamage, isDirectory } from '../deployments.ts';
import type { ServiceConfig } from '../config.ts';
import { UpdaterError } from '../errors.ts';
import { stopIfTold, type Host } from '../host.ts';
import type { Offer } from '../offer.ts';
import { MIRRORS_HINT } from '../own-mirrors.ts';
import { isKnown, isStuck, mainProcess } from '../services/manager.ts';
import { findBase } from './base.ts';
import { bytesToFetch } from './from-base.ts';
import { checkRoomToSwitch, checkSpace } from './space.ts';
import { configuredWebUser, isRoot } from './web-user.ts';

/** How long a mirror may take to say whether it has a file. */
const STAT_DEADLINE_MS = 15_000;

/**
 * Throws `UpdaterError` for the first thing that stands against installing
 * `offer`: DEPLOYMENT, COMPONENT_MISSING, CONFIG, WEB_USER, NO_SPACE, ARTIFACT_MISSING.
 */
export async function preflight(host: Host, offer: Offer): Promise<void> {
  checkCurrent(host);
  checkComponents(host, offer);
  await checkServices(host);
  await checkWebUser(host);
  if (isStaged(host, offer)) {
    checkRoomToSwitch(host.paths);
    return;
  }
  const base = findBase(host, offer.deployment.id);
  checkSpace(host.paths, offer.selected, (each) => bytesToFetch(host, each, base));
  await checkArtifacts(host, offer);
}

/** Whether the deployment stands whole on the disk already, so that nothing is to be fetched. */
export function isStaged({ paths }: Host, { deployment }: Pick<Offer, 'deployment'>): boolean {
  return (
    isDirectory(deploymentPath(paths, deployment.id)) && findDamage(paths, deployment) === undefined
  );
}

function checkCurrent({ paths, store }: Host): void {
  const { current } = store;
  if (current.kind !== 'foreign') return;
  throw new UpdaterError(
    'DEPLOYMENT',
    `'${paths.current}' is not ours to switch: expected a link to a folder in 'deployments', found ${current.target}`,
    { hint: 'move it out of the way; what it leads to is not touched' },
  );
}

function checkComponents({ config }: Host, { verified, selected }: Offer): void {
  const refuse = (key: string, name: string): never => {
    throw new UpdaterError(
      'COMPONENT_MISSING',
      `release ${verified.manifest.version} has no component '${name}', which '${key}' names`,
      { hint: `correct '${key}' in ${config.file}, or ask the maintainer` },
    );
  };
  const { component, version_url: versionUrl } = config.probe;
  const isTree = selected.some((each) => each.kind === 'tree' && each.name === component);
  if (versionUrl === undefined && !isTree) refuse('probe.component', component);
  for (const service of config.services) {
    if (service.component === undefined) continue;
    if (selected.some((each) => each.name === service.component)) continue;
    refuse('services.component', service.component);
  }
}

/** A service that is not there would look like a release that does not start; without its pid file nobody could restart it. */
async function checkServices({ config }: Host): Promise<void> {
  for (const service of config.services) await mainProcess(service);
  const services = config.services.map((service) => ({ ...service, table: 'services' }));
  const quiesced = config.quiesce.map((service) => ({ ...service, table: 'quiesce' }));
  for (const service of [...services, ...quiesced]) {
    if (await isKnown(service)) {
      if (await isStuck(service)) throw stuck(service);
      continue;
    }
    throw new UpdaterError(
      'CONFIG',
      `'${service.table}.name': ${service.manager} knows no service '${service.name}' on this machine`,
      { hint: `correct it in ${config.file}, or install the service` },
    );
  }
}

/** Restarting it would hang, and switch visitors to and fro for nothing. */
function stuck({ name }: Pick<ServiceConfig, 'name'>): UpdaterError {
  return new UpdaterError('COMMAND', `service '${name}' was told to stop and has not ended`, {
    hint: `nothing was changed; if it should not take so long: systemctl kill --signal=KILL ${name}`,
  });
}

/** A rule that could not be checked later must be known not to be checkable now. */
async function checkWebUser(host: Host): Promise<void> {
  const user = await configuredWebUser(host);
  if (user !== undefined && !isRoot() && user.uid !== process.getuid?.()) {
    throw new UpdaterError('WEB_USER', `only root can check what '${user.name}' can read`, {
      hint: "run the updater as root, or as that user, or leave 'web_user' out",
    });
  }
}

async function checkArtifacts(host: Host, { verified, selected, mirrors }: Offer): Promise<void> {
  const { version } = verified.manifest;
  const missing: string[] = [];
  for (const { artifact } of selected) {
    const found = await Promise.all(
      mirrors.map((mirror) => hasArtifact(host, mirror, version, artifact)),
    );
    stopIfTold(host.signal);
    if (!found.includes(true)) missing.push(artifact.file);
  }
  if (missing.length === 0) return;
  throw new UpdaterError(
    'ARTIFACT_MISSING',
    `no mirror has ${missing.map((file) => `'${file}'`).join(', ')} of release ${version}`,
    { hint: MIRRORS_HINT },
  );
}

async function hasArtifact(
  { signal }: Host,
  mirror: Mirror,
  version: string,
  { file, size }: { file: string; size: number },
): Promise<boolean> {
  try {
    const options = { maxBytes: size, deadlineMs: STAT_DEADLINE_MS, signal };
    const stats = await mirror.statArtifact(version, file, options);
    return stats !== undefined && (stats.size === undefined || stats.size === size);
  } catch {
    return false; // Its problem is named by the survey or by the download.
  }
}
