/**
 * Which release a folder is: the one that the mirrors offer, byte for byte, or that one with
 * differences, or none that can be told; then the newest tells what a release has at all. Nothing
 * is kept of what is fetched for it.
 */
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { gateArchive, type ListingEntry } from '@landfall/archive';
import { messageOf } from '@landfall/errors';
import { downloadArtifact, withScratchFolder } from '@landfall/mirrors';
import { unpackAsTold } from '../effects/unpack-apart.ts';
import { UpdaterError } from '../errors.ts';
import { describePaths } from '../heal/tell.ts';
import { stopIfTold, type Host } from '../host.ts';
import { lookAtMirrors } from '../mirrors.ts';
import { selectOffer, type Offer } from '../offer.ts';
import type { InventoryComponent } from '../records/inventory-file.ts';

/** How what is on the disk compares with the newest release. */
export interface Comparison {
  version: string;
  sequence: number;
  /** It is this release, byte for byte. */
  exact: boolean;
  /** It is this release, has all of it and more, or was said to be it. False: it may be any other, or none. */
  isThis: boolean;
  /** Component → the artifact it comes in. */
  artifacts: Map<string, NonNullable<InventoryComponent['artifact']>>;
  /** Paths that the release does not have. */
  foreign: string[];
  /** What the release has of the web UI; empty when that was not asked for, or cannot be had. */
  released: ListingEntry[];
  /** For people. */
  lines: string[];
}

/**
 * Compares with what the mirrors offer. Undefined, with a note, when no mirror answers. Throws
 * `UpdaterError` ADOPTION for a component that the release does not have: the next update
 * would leave a link that leads nowhere.
 */
export async function compareWithRelease(
  host: Host,
  components: readonly InventoryComponent[],
  digest: string,
  version: string | undefined,
): Promise<Comparison | undefined> {
  const offer = await findOffer(host);
  if (offer === undefined) return undefined;
  refuseUnknown(components, offer);
  const { version: offered, sequence } = offer.deployment;
  const artifacts = new Map(
    offer.selected.map(({ name, artifact: { platform, file, size, sha256 } }) => [
      name,
      { platform, file, size, sha256 },
    ]),
  );
  const about = { version: offered, sequence, artifacts };
  if (offer.deployment.digest === digest) {
    const lines = [`it is release ${offered}, byte for byte`];
    return { ...about, exact: true, isThis: true, foreign: [], released: [], lines };
  }
  const tree = components.find(({ kind }) => kind === 'tree');
  const released = (tree && (await listRelease(host, offer, tree))) ?? [];
  if (tree === undefined || released.length === 0) {
    return { ...about, exact: false, isThis: false, foreign: [], released, lines: [] };
  }
  const { foreign, changed, missing } = differences(tree.entries, released);
  const isThis = version === offered || changed.length + missing.length === 0;
  const lines = isThis
    ? [
        ...some(`not as in ${offered}`, changed),
        ...some(`missing of ${offered}`, missing),
        ...some(`not of ${offered}, and taken along until the next release`, foreign),
      ]
    : some(`not in ${offered}, the newest, and taken along until the next release`, foreign);
  return { ...about, exact: false, isThis, foreign, released, lines };
}

function some(what: string, paths: readonly string[]): string[] {
  return paths.length === 0 ? [] : [`${what}: ${describePaths(paths)}`];
}

function refuseUnknown(components: readonly InventoryComponent[], offer: Offer): void {
  for (const { name } of components) {
    if (offer.selected.some((each) => each.name === name)) continue;
    throw new UpdaterError(
      'ADOPTION',
      `release ${offer.deployment.version} has no component '${name}'`,
      { hint: 'only what releases bring can be adopted: correct --file, or leave it out' },
    );
  }
}

async function findOffer(host: Host): Promise<Offer | undefined> {
  try {
    const { newest, mirrors } = await lookAtMirrors(host);
    const offer = 'code' in newest ? newest : selectOffer(newest, mirrors);
    if (!('code' in offer)) return offer;
    host.note(`no release to compare with: ${offer.reason}`);
    return undefined;
  } catch (error) {
    stopIfTold(host.signal);
    host.note(`no mirror to compare with: ${messageOf(error)}`);
    return undefined;
  }
}

/** The listing of a tree as released; undefined when it cannot be had. */
async function listRelease(
  host: Host,
  { deployment, selected, mirrors }: Offer,
  component: InventoryComponent,
): Promise<ListingEntry[] | undefined> {
  const { signal } = host;
  const found = selected.find(({ name }) => name === component.name);
  if (found === undefined || found.kind !== 'tree') return undefined;
  try {
    return await withScratchFolder('adopt', async (folder) => {
      const { file, size, sha256, frames } = found.artifact;
      const to = join(folder, 'artifact.unverified');
      const { version } = deployment;
      const wanted = { version, file, size, sha256, frames };
      const { fd } = await downloadArtifact(mirrors, { ...wanted, to, signal });
      try {
        const unpack = unpackAsTold(host);
        return (await gateArchive(fd, { name: file, signal, unpack })).listing;
      } finally {
        closeSync(fd);
      }
    });
  } catch (error) {
    stopIfTold(signal);
    host.note(`release ${deployment.version} cannot be compared with: ${messageOf(error)}`);
    return undefined;
  }
}

function differences(
  found: readonly ListingEntry[],
  released: readonly ListingEntry[],
): { changed: string[]; missing: string[]; foreign: string[] } {
  const own = new Map(found.map((each) => [each.path, each]));
  const theirs = new Map(released.map((each) => [each.path, each]));
  return {
    foreign: found.filter(({ path }) => !theirs.has(path)).map(({ path }) => path),
    missing: released.filter(({ path }) => !own.has(path)).map(({ path }) => path),
    changed: released
      .filter((each) => own.has(each.path) && !isSame(each, own.get(each.path)))
      .map(({ path }) => path),
  };
}

function isSame(a: ListingEntry, b: ListingEntry | undefined): boolean {
  return b !== undefined && a.type === b.type && a.sha256 === b.sha256 && a.mode === b.mode;
}
