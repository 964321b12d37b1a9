/**
 * What a release that is being staged takes from the one that runs: whole
 * components, files, and what deltas refer to. It decides from which deployment;
 * that its files are what its inventory says is checked where each is used
 * (packages/archive and packages/delta). Nothing here writes but the journal.
 */
import { join } from 'node:path';
import type { Reuse } from '@landfall/archive';
import { formatBytes } from '@landfall/cli';
import { deploymentPath } from '../deployments.ts';
import { timestamp, type Host } from '../host.ts';
import { readGolden } from '../records/golden-file.ts';
import { type InventoryComponent, readInventory } from '../records/inventory-file.ts';

/** The deployment that runs, seen as what the next one is made from. */
export interface Base {
  /** Its id. */
  id: string;
  version: string;
  /** Whether its files may become files of another deployment too. */
  mayShare: boolean;
  components: readonly InventoryComponent[];
}

/** The base for the deployment named `id`; undefined where nothing else runs. */
export function findBase(host: Host, id: string): Base | undefined {
  const { paths, store } = host;
  const { current } = store;
  if (current.kind !== 'deployment' || current.id === id) return undefined;
  const known = [
    ...store.deployments.map((each) => each.deployment),
    store.state.running?.deployment,
  ];
  const deployment = known.find((each) => each?.id === current.id);
  const inventory = deployment && readInventory(paths, deployment);
  return {
    id: current.id,
    version: deployment?.version ?? current.id,
    mayShare: mayShare(host, current.id),
    components: inventory?.components ?? [],
  };
}

/** The last resort has its bytes to itself. */
function mayShare({ config, paths }: Host, id: string): boolean {
  const golden = readGolden(paths.golden);
  return config.share_files && golden !== 'corrupt' && golden?.deployment.id !== id;
}

/** Counts what a component shares with a base. */
export class Sharing {
  /** Where its twins are; undefined when it has to be apart. */
  readonly reuse: Reuse | undefined;
  readonly onShared = (bytes: number): void => {
    this.#files += 1;
    this.#bytes += bytes;
  };
  readonly #base: string;
  readonly #component: string;
  #files = 0;
  #bytes = 0;

  constructor({ paths }: Host, { id, mayShare: isWanted }: Base, component: string) {
    this.#base = id;
    this.#component = component;
    const directory = join(deploymentPath(paths, id), component);
    this.reuse = isWanted ? { directory, onShared: this.onShared } : undefined;
  }

  /** Says what was shared, if anything was. */
  tell(host: Host): void {
    if (this.#files === 0) return;
    const shared = { component: this.#component, with: this.#base, files: this.#files };
    const line = { at: timestamp(), shared: { ...shared, bytes: this.#bytes } };
    host.journal.append(line, { sync: false });
    const what = `${this.#files} ${this.#files === 1 ? 'file' : 'files'} (${formatBytes(this.#bytes)})`;
    host.note(`'${this.#component}' shares ${what} with ${this.#base}`);
  }
}
