/**
 * What an adoption would take, and what stands against it. Reads everything
 * there is to adopt and changes nothing.
 */
import { lstatSync, readdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ArchiveError, planTree, type TreePlan } from '@landfall/archive';
import { messageOf } from '@landfall/errors';
import { contentDigest, deploymentId } from '@landfall/manifest';
import { hashFile, toContent } from '../deployments.ts';
import { UpdaterError } from '../errors.ts';
import { findWebUser } from '../effects/web-user.ts';
import type { Deployment } from '../facts.ts';
import { beFrugal } from '@landfall/archive/frugal';
import type { Host } from '../host.ts';
import { describePaths } from '../heal/tell.ts';
import type { InventoryComponent } from '../records/inventory-file.ts';
import { compareWithRelease, type Comparison } from './compare.ts';
import { describeData } from './data.ts';
import { readSource } from './source.ts';

/** The version of what no release and no operator gives a name. Any release is newer. */
const NO_VERSION = '0.0.0-adopted';

/** What the operator said. Paths are absolute. */
export interface AdoptWish {
  /** The folder that is served. */
  source: string;
  /** Components of kind `file`: name and path. */
  files: readonly { component: string; source: string }[];
  version?: string | undefined;
  /** Globs below `source` that are not taken along. */
  leave: readonly string[];
  /** Take along what the release does not have. */
  carry: boolean;
  byHand: boolean;
}

/** What would be made a deployment. Sources are absolute; nothing was copied yet. */
export interface AdoptPlan {
  wish: AdoptWish;
  deployment: Deployment;
  components: (InventoryComponent & { source: string })[];
  tree: TreePlan;
  /** Against the newest release; undefined when no mirror shows one. */
  comparison: Comparison | undefined;
  /** Lines worth telling. */
  findings: string[];
}

/** Plans. Throws `UpdaterError` ADOPTION naming what stands against it. */
export async function planAdoption(host: Host, wish: AdoptWish): Promise<AdoptPlan> {
  beFrugal();
  const { component } = host.config.probe;
  checkSource(wish.source);
  const tree = planFolder(wish);
  const components = [
    { ...listFolder(component, wish.source, tree), source: wish.source },
    ...wish.files.map((each) => ({ ...listFile(each), source: each.source })),
  ];
  const digest = contentDigest(components.map(toContent));
  const comparison = await compareWithRelease(host, components, digest, wish.version);
  const exact = comparison?.exact === true ? comparison : undefined;
  if (!wish.carry) await refuseData(host, { wish, tree, comparison });
  const version = exact?.version ?? wish.version ?? NO_VERSION;
  const deployment: Deployment = {
    id: deploymentId(version, digest),
    version,
    digest,
    sequence: exact?.sequence ?? 0,
  };
  const artifacts = exact?.artifacts;
  return {
    wish,
    deployment,
    components: components.map((each) => ({ ...each, artifact: artifacts?.get(each.name) })),
    tree,
    comparison,
    findings: findingsOf(wish, tree, comparison),
  };
}

/** Throws `UpdaterError` ADOPTION naming what is data, or is not of the release that the folder is. */
async function refuseData(
  host: Host,
  plan: Pick<AdoptPlan, 'wish' | 'tree' | 'comparison'>,
): Promise<void> {
  const found = await findData(host, plan);
  if (found === undefined) return;
  throw new UpdaterError('ADOPTION', `'${plan.wish.source}' holds ${found}`, {
    hint: 'data must not live among a release: move it away, or leave it where it is with --leave PATH, or take it along until the next release with --carry',
  });
}

async function findData(
  host: Host,
  { wish, tree, comparison }: Pick<AdoptPlan, 'wish' | 'tree' | 'comparison'>,
): Promise<string | undefined> {
  if (comparison?.isThis === true) {
    const { foreign, version } = comparison;
    const what = `what release ${version} does not: ${describePaths(foreign)}`;
    return foreign.length === 0 ? undefined : what;
  }
  const seen = tree.entries.flatMap(({ path, type }) => {
    const stat = lstatSync(join(wish.source, path), { throwIfNoEntry: false });
    if (stat === undefined) return [];
    const { mode, uid, gid, mtimeMs, ctimeMs } = stat;
    return [{ path, type, mode, uid, gid, mtimeMs, ctimeMs }];
  });
  const data = describeData(seen, comparison?.released ?? [], await findWebUser(host));
  return data === undefined ? undefined : `data: ${data}`;
}

function checkSource(source: string): void {
  const stat = lstatSync(source, { throwIfNoEntry: false });
  if (stat?.isDirectory() === true && realpathSync(source) === source) return;
  const found =
    stat === undefined ? 'nothing' : stat.isDirectory() ? realpathSync(source) : 'no folder';
  throw new UpdaterError(
    'ADOPTION',
    `'${source}': expected the folder that is served, found ${found}`,
    {
      hint: "name it: 'updater adopt DIR', as the web server's root does, without links in its path",
    },
  );
}

function planFolder({ source, leave }: AdoptWish): TreePlan {
  try {
    return planTree({ parts: [{ from: source, at: '' }], exclude: leave });
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    throw new UpdaterError(
      'ADOPTION',
      `'${source}' cannot be adopted as it is: ${messageOf(error)}`,
      {
        hint: `${error.hint ?? 'a release is files and folders only'}; or leave it out with --leave PATH`,
        cause: error,
      },
    );
  }
}

function listFolder(name: string, source: string, tree: TreePlan): InventoryComponent {
  const entries = readSource({ kind: 'tree', source }, (read) =>
    tree.entries.map(({ path, type, mode, size }) => ({
      path,
      type,
      mode,
      size,
      sha256: type === 'file' ? read(path, hashFile) : '',
    })),
  );
  return { name, kind: 'tree', entries };
}

function listFile({
  component,
  source,
}: {
  component: string;
  source: string;
}): InventoryComponent {
  const stat = lstatSync(source, { throwIfNoEntry: false });
  if (stat?.isFile() !== true) {
    throw new UpdaterError('ADOPTION', `--file ${component}: '${source}' is no file`, {
      hint: 'name the file itself, not a link to it',
    });
  }
  const mode = (stat.mode & 0o111) === 0 ? 0o644 : 0o755;
  const sha256 = readSource({ kind: 'file', source }, (read) => read('.', hashFile));
  return {
    name: component,
    kind: 'file',
    entries: [{ path: '.', type: 'file', mode, size: stat.size, sha256 }],
  };
}

function findingsOf(wish: AdoptWish, tree: TreePlan, comparison: Comparison | undefined): string[] {
  const { source } = wish;
  const name = basename(source);
  const beside = readdirSync(dirname(source))
    .filter((each) => each !== name && each.startsWith(name))
    .map((each) => `'${join(dirname(source), each)}' lies beside it and is left there`);
  const modes = tree.warnings.map((each) => each.replaceAll('packed as', 'adopted as'));
  return [...modes, ...beside, ...(comparison?.lines ?? [])];
}
