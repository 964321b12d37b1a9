/**
 * What a release that is being staged takes from the one that runs: files that
 * both have are stored once. It decides whose files; that they are the same is
 * checked byte by byte where they are shared (packages/archive, twins.ts).
 * Nothing here writes but the journal.
 */
import { join } from 'node:path';
import type { Reuse } from '@landfall/archive';
import { formatBytes } from '@landfall/cli';
import { deploymentPath } from '../deployments.ts';
import { timestamp, type Host } from '../host.ts';
import { readGolden } from '../records/golden-file.ts';

/**
 * Id of the deployment whose files may be shared with the one named `id`: what
 * runs. Undefined where that is not wanted, and for the golden deployment: the
 * last resort has its bytes to itself.
 */
export function findBase({ config, paths, store }: Host, id: string): string | undefined {
  const { current } = store;
  if (!config.share_files || current.kind !== 'deployment' || current.id === id) return undefined;
  const golden = readGolden(paths.golden);
  if (golden === 'corrupt' || golden?.deployment.id === current.id) return undefined;
  return current.id;
}

/** Counts what a component shares with a base. */
export class Sharing {
  readonly reuse: Reuse;
  readonly #base: string;
  readonly #component: string;
  #files = 0;
  #bytes = 0;

  /** `base`: the id of a deployment. */
  constructor({ paths }: Host, base: string, component: string) {
    this.#base = base;
    this.#component = component;
    this.reuse = {
      directory: join(deploymentPath(paths, base), component),
      onShared: (bytes) => {
        this.#files += 1;
        this.#bytes += bytes;
      },
    };
  }

  /** Says what was shared, if anything was. */
  tell(host: Host): void {
    if (this.#files === 0) return;
    const shared = { component: this.#component, with: this.#base, files: this.#files };
    host.journal.append({ at: timestamp(), shared: { ...shared, bytes: this.#bytes } });
    const what = `${this.#files} ${this.#files === 1 ? 'file' : 'files'} (${formatBytes(this.#bytes)})`;
    host.note(`'${this.#component}' shares ${what} with ${this.#base}`);
  }
}
