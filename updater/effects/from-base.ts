/**
 * A component out of what runs and little else: all of it when the release did
 * not change it, or by a delta that leads from the one to the other. Whatever
 * stands against that (no mirror has the delta, it is damaged or hostile, a file
 * here is not what was installed, there is no memory), the caller takes the whole
 * artifact: the result is held to what was signed either way. Only a delta that is
 * wrong is not tried again.
 *
 * A crash leaves a staging folder that the next start removes, a download,
 * and an entry in `deltas.json`: the second such delta is not tried any more.
 */
import { closeSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  ArchiveError,
  type ListingEntry,
  sameTree,
  type TreeInfo,
  treeInfo,
} from '@landfall/archive';
import { crashPoint, formatBytes } from '@landfall/cli';
import { applyDelta, type ApplyDeltaOptions, DeltaError, keepTree } from '@landfall/delta';
import { ExitCode, messageOf } from '@landfall/errors';
import { type Delta, deltasOf, type Selected } from '@landfall/manifest';
import { deploymentPath } from '../deployments.ts';
import { stopIfTold, timestamp, tryTo, type Host } from '../host.ts';
import { forgetDelta, mayTryDelta, recordDelta, takeBackDelta } from '../records/delta-file.ts';
import type { InventoryComponent } from '../records/inventory-file.ts';
import { type Base, Sharing } from './base.ts';
import { bytesLeft, removeDownload } from './downloads.ts';
import { fetchFile, type Source } from './fetch.ts';
import { apartMemory, ApartInflater } from './inflate-apart.ts';
import { makeFolder } from './make-folder.ts';
import { requireMemory } from './memory.ts';

type KeepOptions = Parameters<typeof keepTree>[0];

/** One component on its way from `base`, where it is `old`, to `target`. */
interface Step {
  component: Selected;
  old: InventoryComponent;
  base: Base;
  target: string;
  sharing: Sharing;
}

/**
 * Makes the component in the folder `staging` from what runs. Undefined when
 * that cannot be, or has failed and was told; nothing of it is there then.
 * Throws `UpdaterError` INTERRUPTED, `DurableError`.
 */
export async function stageFromBase(
  host: Host,
  source: Source,
  component: Selected,
  staging: string,
  base: Base,
): Promise<InventoryComponent | undefined> {
  const { name, kind } = component;
  const old = oldOf(host, component, base);
  if (old === undefined) return undefined;
  const sharing = new Sharing(host, base, name);
  const step = { component, old, base, target: join(staging, name), sharing };
  const delta = isSame(component, old) ? undefined : pickDelta(host, step);
  if (delta === undefined && !isSame(component, old)) return undefined;
  let entries: ListingEntry[];
  try {
    entries = await (delta === undefined ? keep(host, step) : byDelta(host, source, step, delta));
  } catch (error) {
    stopIfTold(host.signal);
    rmSync(step.target, { recursive: true, force: true });
    tellFailure(host, step, delta, error);
    return undefined;
  }
  stopIfTold(host.signal);
  sharing.tell(host);
  const { platform, file, size, sha256 } = component.artifact;
  // What was downloaded of it before is not needed.
  removeDownload(host.paths, file);
  return { name, kind, artifact: { platform, file, size, sha256 }, entries };
}

/** Bytes that are downloaded of a component when all goes well: nothing of one that is the same, or a delta. */
export function bytesToFetch(host: Host, component: Selected, base: Base | undefined): number {
  const old = base && oldOf(host, component, base);
  if (old === undefined) return bytesLeft(host.paths, component);
  if (isSame(component, old)) return 0;
  return pickDelta(host, { component, old })?.size ?? bytesLeft(host.paths, component);
}

/** What the component is in the base, where that may be made use of. */
function oldOf(
  { config }: Host,
  { name, kind }: Selected,
  { components }: Base,
): InventoryComponent | undefined {
  if (!config.deltas) return undefined;
  return components.find((each) => each.name === name && each.kind === kind);
}

function isSame({ kind, artifact }: Selected, old: InventoryComponent): boolean {
  if (kind === 'tree') return sameTree(treeOf(old), artifact.tree);
  const [file] = old.entries;
  return file?.mode === artifact.mode && file.sha256 === artifact.contentSha256;
}

/** Thousands of lines are hashed for each. */
const trees = new WeakMap<InventoryComponent, TreeInfo>();

function treeOf(component: InventoryComponent): TreeInfo {
  const tree = trees.get(component) ?? treeInfo(component.entries);
  trees.set(component, tree);
  return tree;
}

/** The smallest delta from what runs that is worth it: smaller than what is left to download. */
function pickDelta(
  { paths }: Host,
  { component, old }: Pick<Step, 'component' | 'old'>,
): Delta | undefined {
  const { artifact } = component;
  const [first] = old.entries;
  const from = old.kind === 'tree' ? treeOf(old).digest : first?.sha256;
  const left = bytesLeft(paths, component);
  return deltasOf(artifact)
    .filter((each) => each.from.digest === from && each.size < left)
    .filter((each) => mayTryDelta(paths.deltas, each))
    .toSorted((a, b) => a.size - b.size)[0];
}

async function keep(host: Host, step: Step): Promise<ListingEntry[]> {
  host.note(`'${step.component.name}' is the same as in ${step.base.version}`);
  if (step.component.kind === 'tree') makeFolder(step.target);
  return keepTree(howOf(host, step));
}

async function byDelta(
  host: Host,
  source: Source,
  step: Step,
  delta: Delta,
): Promise<ListingEntry[]> {
  const { paths } = host;
  const { kind, artifact } = step.component;
  const whole = formatBytes(artifact.size);
  host.note(`downloading ${delta.file} (${formatBytes(delta.size)}, in place of ${whole})`);
  const fd = await fetchFile(host, source, delta);
  try {
    crashPoint('stage-delta-downloaded');
    recordDelta(paths.deltas, delta, timestamp());
    crashPoint('stage-delta-recorded');
    if (kind === 'tree') makeFolder(step.target);
    const expect = kind === 'tree' ? artifact.tree : artifact;
    const onNeed = (bytes: number): void =>
      requireMemory(host.config.sandbox ? apartMemory(bytes) : bytes);
    const how = { ...howOf(host, step), expect, onNeed };
    const entries = await applyAsTold(host, fd, how).catch((error: unknown) => {
      if (!isWrong(error)) tryTo(host, () => takeBackDelta(paths.deltas, delta));
      throw error;
    });
    crashPoint('stage-delta-applied');
    forgetDelta(paths.deltas, delta);
    const { file, size, from } = delta;
    const used = { component: step.component.name, file, size, from: from.version };
    host.journal.append(
      { at: timestamp(), delta: used, insteadOf: artifact.size },
      { sync: false },
    );
    return entries;
  } finally {
    closeSync(fd);
    tryTo(host, () => removeDownload(paths, delta.file));
  }
}

/** Unpacks its frames here, or with `sandbox` in a process that has no rights. */
async function applyAsTold(
  { config, signal }: Host,
  fd: number,
  how: ApplyDeltaOptions,
): Promise<ListingEntry[]> {
  if (!config.sandbox) return applyDelta(fd, how);
  const apart = new ApartInflater(signal);
  try {
    return await applyDelta(fd, { ...how, inflate: apart.inflate });
  } finally {
    await apart.close();
  }
}

/** From what, to where, and whether files may be shared. */
function howOf(
  { paths, signal }: Host,
  { component, old, base, target, sharing }: Step,
): KeepOptions {
  const root = join(deploymentPath(paths, base.id), component.name);
  return {
    base: { root, listing: old.entries },
    into: target,
    keep: (): 'link' | 'copy' => (base.mayShare ? 'link' : 'copy'),
    onShared: sharing.onShared,
    signal,
  };
}

/** Whether the delta, or what it is applied to, is not what it should be; else another time may be better. */
function isWrong(error: unknown): boolean {
  if (error instanceof DeltaError) return error.code !== 'DELTA_IO';
  return error instanceof ArchiveError && error.exit === ExitCode.refused;
}

/** Says it, and of a delta that is wrong, that it is not to be tried again. Throws `DurableError`. */
function tellFailure(host: Host, step: Step, delta: Delta | undefined, error: unknown): void {
  const { component, base } = step;
  const what = delta?.file ?? `'${component.name}' of ${base.id}`;
  const problem = messageOf(error);
  const now = isWrong(error) ? '' : ' now';
  host.note(`${what} is of no use${now}: ${problem}; taking the whole artifact`);
  host.journal.append({ at: timestamp(), delta: what, problem });
  if (delta === undefined) return;
  removeDownload(host.paths, delta.file);
  if (isWrong(error)) recordDelta(host.paths.deltas, delta, timestamp(), problem);
}
