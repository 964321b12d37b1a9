/**
 * `inventories/<deployment>.json`: what a deployment consists of, entry by
 * entry, and the artifacts it came in. Written before the deployment gets its
 * name, removed after it is gone.
 *
 * It proves itself: its entries hash to the content digest that was in the
 * signed manifest, and that `state.json` and the deployment's name hold. One
 * that does not is as good as none.
 */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type ListingEntry, treeInfo } from '@landfall/archive';
import { makeDirectoryDurably, readJsonFile, writeFileDurably } from '@landfall/durable';
import { contentDigest, isSlug, type Selected, z } from '@landfall/manifest';
import { isDirectory, type ListedComponent, toContent } from '../deployments.ts';
import type { Deployment } from '../facts.ts';
import { beFrugal } from '@landfall/archive/frugal';
import type { Paths } from '../paths.ts';
import { deploymentSchema, sha256Schema } from './schemas.ts';

/** Larger ones are not written: they would not be read back. */
const MAX_BYTES = 15 * 1024 * 1024;
/** Of twenty thousand entries: parsing fewer takes little memory, and slows down whatever is loaded after it. */
const LONG_BYTES = 4 * 1024 * 1024;

/** Path, `d` or `f`, mode, size, SHA-256 (empty for a directory). */
type StoredEntry = [path: string, type: 'd' | 'f', mode: number, size: number, sha256: string];
const PLAIN_PATH = /^(?!\/)(?!(?:.*\/)?\.\.(?:\/|$))/;

/** By hand: there are thousands, and a schema of each field takes several times as long. */
function isStoredEntry(value: unknown): value is StoredEntry {
  if (!Array.isArray(value) || value.length !== 5) return false;
  const [path, type, mode, size, sha256] = value as unknown[];
  return (
    typeof path === 'string' &&
    PLAIN_PATH.test(path) &&
    (type === 'd' || type === 'f') &&
    Number.isSafeInteger(mode) &&
    Number.isSafeInteger(size) &&
    typeof sha256 === 'string'
  );
}

const inventorySchema = z.object({
  schema: z.literal(1),
  deployment: deploymentSchema,
  components: z.array(
    z.object({
      name: z.string().check(z.refine(isSlug)),
      kind: z.enum(['tree', 'file']),
      /** Where a mirror has it; absent for what came from this node's own disk. */
      artifact: z.optional(
        z.object({
          platform: z.string(),
          file: z.string().check(z.regex(/^[0-9A-Za-z][0-9A-Za-z._+-]*$/)),
          size: z.int().check(z.minimum(1)),
          sha256: sha256Schema,
        }),
      ),
      entries: z.custom<StoredEntry[]>(
        (value) => Array.isArray(value) && value.length > 0 && value.every(isStoredEntry),
      ),
    }),
  ),
});

/** A component, its entries, and the artifact it came in. */
export interface InventoryComponent extends ListedComponent {
  artifact?: { platform: string; file: string; size: number; sha256: string } | undefined;
}

/** What a deployment consists of. */
export interface Inventory {
  deployment: Deployment;
  components: readonly InventoryComponent[];
}

/** Writes it, unless it is too large. Throws `DurableError`. */
export function writeInventory(paths: Paths, { deployment, components }: Inventory): void {
  const file = {
    schema: 1,
    deployment,
    components: components.map(({ entries, ...rest }) => ({
      ...rest,
      entries: entries.map(({ path, type, mode, size, sha256 }) => [
        path,
        type === 'directory' ? 'd' : 'f',
        mode,
        size,
        sha256,
      ]),
    })),
  };
  const text = `${JSON.stringify(file)}\n`;
  if (Buffer.byteLength(text) > MAX_BYTES) return;
  makeDirectoryDurably(paths.inventories, 0o700);
  writeFileDurably(inventoryPath(paths, deployment.id), text);
}

/** What was read last, and of which file: one update asks three times. */
let last: { of: string; inventory: Inventory } | undefined;

/** The inventory of `deployment`, if there is one that proves to be of it. */
export function readInventory(paths: Paths, deployment: Deployment): Inventory | undefined {
  const file = inventoryPath(paths, deployment.id);
  const stats = statSync(file, { throwIfNoEntry: false, bigint: true });
  if (stats === undefined) return undefined;
  const { dev, ino, size, ctimeNs } = stats;
  const of = [file, deployment.digest, dev, ino, size, ctimeNs].join(' ');
  if (last?.of === of) return { ...last.inventory, deployment };
  if (size > LONG_BYTES) beFrugal();
  const inventory = parseInventory(file, deployment);
  last = inventory && { of, inventory };
  return inventory;
}

function parseInventory(file: string, deployment: Deployment): Inventory | undefined {
  const read = readJsonFile(file, inventorySchema);
  if (read.state !== 'ok') return undefined;
  const components = read.value.components.map((each): InventoryComponent => ({
    ...each,
    entries: each.entries.map(([path, type, mode, size, sha256]): ListingEntry => ({
      path,
      type: type === 'd' ? 'directory' : 'file',
      mode,
      size,
      sha256,
    })),
  }));
  if (contentDigest(components.map(toContent)) !== deployment.digest) return undefined;
  return { deployment, components };
}

/** Removes the inventories of deployments that `keep` does not name. */
export function pruneInventories(paths: Paths, keep: (id: string) => boolean): void {
  for (const name of isDirectory(paths.inventories) ? readdirSync(paths.inventories) : []) {
    if (name.endsWith('.json') && !keep(name.slice(0, -'.json'.length))) {
      rmSync(join(paths.inventories, name), { force: true });
    }
  }
}

/** The component as a manifest would name it; undefined where no mirror has it. */
export function toSelected(component: InventoryComponent): Selected | undefined {
  const { name, kind, artifact, entries } = component;
  if (artifact === undefined) return undefined;
  if (kind === 'tree') {
    return { name, kind, artifact: { ...artifact, deltas: [], tree: { ...treeInfo(entries) } } };
  }
  const { mode = 0, sha256: contentSha256 = '', size: contentSize = 0 } = entries[0] ?? {};
  const plain = mode === 0o755 ? 0o755 : 0o644;
  return {
    name,
    kind,
    artifact: { ...artifact, deltas: [], mode: plain, contentSha256, contentSize },
  };
}

function inventoryPath(paths: Paths, id: string): string {
  return join(paths.inventories, `${id}.json`);
}
