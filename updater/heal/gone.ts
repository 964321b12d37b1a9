/**
 * `current`, or what it should lead to, was deleted by hand. The link is put
 * back; a deployment is fetched again from a mirror, else the node returns to
 * another one that passed here. A crash in here is found by the next start as
 * it was, or with a marker.
 */
import { messageOf } from '@landfall/errors';
import { deploymentPath, isDirectory } from '../deployments.ts';
import { findDown, restartServices } from '../effects/services.ts';
import { stage } from '../effects/stage.ts';
import { switchCurrent } from '../effects/switch.ts';
import type { Deployment } from '../facts.ts';
import { findGolden } from '../golden.ts';
import { stopIfTold, timestamp, type Host } from '../host.ts';
import type { State } from '../machine.ts';
import { openOwnMirrors } from '../own-mirrors.ts';
import { readInventory, toSelected } from '../records/inventory-file.ts';
import { findQuarantined } from '../records/quarantine-file.ts';
import { drive } from '../runner.ts';
import { findHarm } from './harm.ts';

/** Points `current` at `deployment`, which runs and is on the disk. Throws `DurableError`. */
export function putBackLink(host: Host, { id, version }: Deployment): void {
  const { paths, store, journal } = host;
  const found = store.current.kind === 'dangling' ? 'led nowhere' : 'was missing';
  switchCurrent(paths, { id });
  store.lookAgain();
  host.note(`'${paths.current}' ${found}: it leads to ${id} again`);
  journal.append({ at: timestamp(), heal: 'current', version, reason: `it ${found}` });
}

/** Restarts the services on `deployment` where one is down: while the link was gone, nothing could start it. */
export async function startWithLink(host: Host, deployment: Deployment): Promise<void> {
  const down = await findDown(host, deployment);
  if (down === undefined) return;
  host.note(`${down}: restarting`);
  const problem = await restartServices(host, deployment);
  if (problem !== undefined) host.note(problem.reason);
}

/**
 * Brings back what runs, or goes to what is left. Resolves to the state that
 * holds then. Throws what the disk refuses.
 */
export async function recoverGone(host: Host, online: boolean): Promise<State> {
  const { store, paths } = host;
  const { state } = store;
  const deployment = state.running?.deployment;
  if (deployment === undefined) return state;
  const reason = `'${deployment.id}' is not on the disk any more`;
  host.note(reason);
  if (online && (await fetchAgain(host, deployment))) {
    putBackLink(host, deployment);
    const problem = await restartServices(host, deployment);
    if (problem !== undefined) host.note(problem.reason);
    return state;
  }
  const kept = store.deployments
    .toReversed()
    .filter(({ verified }) => verified !== undefined)
    .map((each) => each.deployment)
    .toSorted((a, b) => Number(isPrevious(host, b)) - Number(isPrevious(host, a)))
    .find(
      (each) =>
        each.id !== deployment.id &&
        isDirectory(deploymentPath(paths, each.id)) &&
        findQuarantined(store.quarantine, each) === undefined &&
        findHarm(paths, each) === undefined,
    );
  const to = kept ?? findGolden(host, [deployment.id]);
  const result = await drive(host, state, { name: 'gone', to, reason });
  store.lookAgain();
  return result.state;
}

function isPrevious({ store }: Host, { id }: Deployment): boolean {
  return store.state.running?.previous?.id === id;
}

async function fetchAgain(host: Host, deployment: Deployment): Promise<boolean> {
  const { paths, config, journal } = host;
  const inventory = readInventory(paths, deployment);
  const selected = inventory?.components.flatMap((each) => toSelected(each) ?? []) ?? [];
  if (inventory === undefined || selected.length < inventory.components.length) return false;
  try {
    await stage(host, { deployment, selected, mirrors: openOwnMirrors(config) });
    journal.append({ at: timestamp(), heal: 'deployment', version: deployment.version });
    return true;
  } catch (error) {
    stopIfTold(host.signal);
    host.note(`it cannot be fetched again: ${messageOf(error)}`);
    return false;
  }
}
