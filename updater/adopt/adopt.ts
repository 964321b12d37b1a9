/**
 * A node as it is in the field, taken into the layout while it serves:
 *
 * 1. what is served is copied into a deployment, with the modes of a release;
 * 2. `adoption.json` says what is going on, and no update begins meanwhile;
 * 3. `current` leads to the deployment; nobody looks there yet;
 * 4. the folder that is served and a link to `current` change places, in one
 *    step: every request finds the one or the other, with the same bytes;
 * 5. it is proven that the web server now serves the deployment, and it is
 *    probed as any release; then it is committed.
 *
 * Each step finds itself done when it is: after a crash, `adopt` goes on and
 * `undo` takes back, from wherever it was. The node serves all the time. What
 * does not pass in 5 is taken back at once.
 */
import { join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { removeDurably } from '@landfall/durable';
import { messageOf } from '@landfall/errors';
import { deploymentPath, findDamage, linkTarget } from '../deployments.ts';
import { probeDeployment } from '../effects/probe.ts';
import { findForeignProcess } from '../effects/services.ts';
import { switchCurrent } from '../effects/switch.ts';
import { removeDeployment } from '../effects/tidy.ts';
import { UpdaterError } from '../errors.ts';
import { timestamp, type Host } from '../host.ts';
import type { Settled } from '../machine.ts';
import { type Adoption, readAdoption, writeAdoption } from '../records/adoption-file.ts';
import { layOut } from './lay-out.ts';
import { placeOf, putBack, putLink } from './places.ts';
import { type AdoptPlan, type AdoptWish, planAdoption } from './plan.ts';
import { isServed, removeProofs } from './proof.ts';

/** `waiting`: laid out and proven harmless, and something is left for the operator to do. */
export type AdoptResult =
  | { outcome: 'committed'; adoption: Adoption; state: Settled; findings: string[] }
  | { outcome: 'waiting'; adoption: Adoption; todo: string[]; findings: string[] };

function refuse(what: string, hint: string): never {
  throw new UpdaterError('ADOPTION', what, { hint });
}

/** The adoption to go on with, if one began. Throws `UpdaterError` ADOPTION when this node is in no state to be adopted. */
export function checkAdoptable(host: Host): Adoption | undefined {
  const { store, paths } = host;
  const adoption = readAdoption(paths);
  if (store.marker !== undefined) {
    refuse('a release has no verdict yet', "'updater verify' settles it");
  }
  if (adoption !== undefined && adoption.committed === undefined) return adoption;
  const { current } = store;
  if (adoption !== undefined || current.kind === 'deployment') {
    const id = current.kind === 'deployment' ? current.id : 'something else';
    refuse(`this node is in the layout: 'current' leads to ${id}`, 'there is nothing to adopt');
  }
  if (current.kind === 'foreign') {
    refuse(`'${paths.current}' is in the way: it is ${current.target}`, 'move it away');
  }
  return undefined;
}

/** Adopts, or goes on with it. Throws `UpdaterError` ADOPTION; the node is as it was then. */
export async function adopt(host: Host, wish: AdoptWish): Promise<AdoptResult> {
  const begun = checkAdoptable(host);
  const isWhole = begun !== undefined && findDamage(host.paths, begun.deployment) === undefined;
  if (begun !== undefined && isWhole) {
    host.note(`going on with the adoption that began ${begun.began}`);
    return goOn(host, begun, []);
  }
  if (begun !== undefined) await undo(host);
  const plan = await planAdoption(host, wish);
  for (const finding of plan.findings) host.note(finding);
  const adoption = await begin(host, plan);
  return goOn(host, adoption, plan.findings);
}

async function begin(host: Host, plan: AdoptPlan): Promise<Adoption> {
  const { paths, journal } = host;
  const { deployment, components, wish } = plan;
  const adoption: Adoption = {
    schema: 1,
    deployment,
    places: components.map(({ name, source }) => placeOf(name, source)),
    how: wish.byHand ? 'by-hand' : 'exchange',
    began: timestamp(),
  };
  host.note(`copying ${wish.source} to ${deploymentPath(paths, deployment.id)}`);
  await layOut(host, plan);
  journal.append({ at: timestamp(), adopt: 'laid-out', version: deployment.version, ...adoption });
  writeAdoption(paths, adoption);
  crashPoint('adopt-recorded');
  return adoption;
}

async function goOn(host: Host, adoption: Adoption, findings: string[]): Promise<AdoptResult> {
  const { paths, config } = host;
  const { deployment, places, how } = adoption;
  removeProofs(join(deploymentPath(paths, deployment.id), config.probe.component));
  switchCurrent(paths, deployment);
  host.store.lookAgain();
  crashPoint('adopt-current');
  try {
    if (how === 'exchange') for (const place of places) await putLink(paths, place);
    const todo = await findTodo(host, adoption);
    if (todo.length > 0) return { outcome: 'waiting', adoption, todo, findings };
    const state = await commit(host, adoption);
    return { outcome: 'committed', adoption, state, findings };
  } catch (error) {
    if (host.signal.aborted || how === 'by-hand') throw error;
    host.note(`taken back: ${messageOf(error)}`);
    await undo(host);
    throw error;
  }
}

/** What only the operator can do. Throws when the web server does not follow the link we put there. */
async function findTodo(host: Host, { deployment, places, how }: Adoption): Promise<string[]> {
  const { config, paths } = host;
  const todo: string[] = [];
  if (config.probe.version_url === undefined && !(await isServed(host, deployment))) {
    const place = places.find(({ component }) => component === config.probe.component);
    const root = join(paths.current, config.probe.component);
    if (how === 'exchange') {
      throw new UpdaterError(
        'ADOPTION',
        `${config.probe.url} is not served from '${place?.source}'`,
        {
          hint: `the web server's root is another folder, or it follows no links: name the folder, or use --by-hand and let its root be ${root}`,
        },
      );
    }
    todo.push(
      `let the web server's root be ${root} in place of ${place?.source}, and reload it (nginx: 'nginx -t && nginx -s reload')`,
    );
  }
  const foreign = await findForeignProcess(host, deployment);
  if (foreign !== undefined) todo.push(`${foreign}: restart the service`);
  return todo.length === 0 ? [] : [...todo, "then run 'updater adopt' again"];
}

async function commit(host: Host, adoption: Adoption): Promise<Settled> {
  const { store, paths, config, journal } = host;
  const { deployment } = adoption;
  const outcome = await probeDeployment(host, deployment, config.probe.window);
  if (outcome.rank !== 'healthy') {
    throw new UpdaterError('ADOPTION', `what is served does not pass: ${outcome.reason}`, {
      hint: `look at [probe] in ${config.file}: it must pass before a release is judged by it`,
    });
  }
  const at = timestamp();
  const proof = { ...outcome, at, accepted: 'healthy' as const };
  const state: Settled = { name: 'committed', running: { deployment, since: at, proof } };
  store.saveState(state);
  crashPoint('adopt-saved');
  writeAdoption(paths, { ...adoption, committed: at });
  journal.append({ at, adopt: 'committed', version: deployment.version, reason: outcome.reason });
  crashPoint('adopt-committed');
  return state;
}

/**
 * Takes an adoption back: what was served stands where it stood, `current` and
 * the copy are gone. Returns what was taken back; undefined when there was
 * nothing. Throws `UpdaterError` ADOPTION.
 */
export async function undo(host: Host): Promise<Adoption | undefined> {
  const { paths, store, journal } = host;
  const adoption = readAdoption(paths);
  if (adoption === undefined) return undefined;
  const { deployment, places, how } = adoption;
  await checkUndoable(host, adoption);
  // Half undone is not adopted: no update may begin on it.
  const { committed: _, ...unfinished } = adoption;
  writeAdoption(paths, unfinished);
  if (how === 'exchange') for (const place of places) await putBack(place);
  store.saveState({ name: 'idle' });
  crashPoint('adopt-undone');
  removeDurably(paths.current);
  store.lookAgain();
  removeDeployment(host, deployment.id);
  store.forgetDeployments([deployment.id]);
  journal.append({ at: timestamp(), adopt: 'undone', version: deployment.version });
  removeDurably(paths.adoption);
  crashPoint('adopt-forgotten');
  return adoption;
}

/** Throws `UpdaterError` ADOPTION for an adoption that cannot be taken back now. Changes nothing that lasts. */
export async function checkUndoable(host: Host, adoption: Adoption): Promise<void> {
  const { store, paths, config } = host;
  const { deployment, how } = adoption;
  const { current } = store;
  if (current.kind === 'deployment' && current.id !== deployment.id) {
    throw new UpdaterError('ADOPTION', `'${current.id}' was installed since`, {
      hint: `go back to what was adopted first: 'updater rollback --to ${deployment.version} --reason …'`,
    });
  }
  if (how === 'exchange' || current.kind !== 'deployment') return;
  if (config.probe.version_url !== undefined || !(await isServed(host, deployment))) return;
  throw new UpdaterError(
    'ADOPTION',
    `the web server still serves '${join(paths.root, linkTarget(paths, deployment.id))}'`,
    {
      hint: `let its root be ${adoption.places[0]?.source} again and reload it, then run this again`,
    },
  );
}
