/**
 * Keeps what runs as it was installed: its folders' modes, its entries, their
 * content. Cheap every time (names, kinds, modes, sizes, and what was changed);
 * everything is read at the first look and every few hours, in portions. One
 * thing that cannot be looked at or repaired does not keep the others from it.
 *
 * Nothing here decides what runs. A crash leaves some repairs done; the next
 * look finds the rest.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { contentDigest } from '@landfall/manifest';
import { nextTimeName, pruneFolders } from '../dated-folders.ts';
import { deploymentPath, listDeployment, toContent } from '../deployments.ts';
import type { Deployment } from '../facts.ts';
import { stopIfTold, timestamp, type Host } from '../host.ts';
import { type HealFile, readHealFile } from '../records/heal-file.ts';
import { type Inventory, readInventory, writeInventory } from '../records/inventory-file.ts';
import { countRepairs, isWithin, leaveAlone, mayRepair } from './bounds.ts';
import { entriesOf, type Finding, type Look, lookAt } from './findings.ts';
import { checkFolders } from './folders.ts';
import type { Round } from './repair.ts';
import { repairAll } from './repairs.ts';
import { describeProblems, remember } from './tell.ts';

/** Every file is read again after this time. */
const FULL_EVERY_MS = 6 * 3_600_000;
/** Bytes read in one look for that. */
const BUDGET_BYTES = 512 * 1024 * 1024;
/** Mirrors that could not help are asked again after this time. */
const ASK_EVERY_MS = 10 * 60_000;
/** Folders that are kept below `<root>/aside`. */
const KEPT_ASIDE = 20;
/** What is in a folder's place hides what is wrong below it. */
const MAX_PASSES = 3;

/** How far a look goes, and what it may do about what it finds. */
export interface HealOptions {
  /** Mirrors may be asked for content that is not on this disk. */
  online: boolean;
  /** An operator asked: everything is read, and what was left alone is repaired too. */
  byHand?: boolean;
  /** Somebody waits for what comes next: where it is known what should be there, everything is read at a later look. */
  hasty?: boolean;
  /** Nothing is changed. */
  dryRun?: boolean;
}

/** What was found and what became of it. */
export interface HealReport {
  deployment: Deployment;
  /** What the first look found. */
  findings: Finding[];
  /** Paths below the deployment that were repaired. */
  repaired: string[];
  /** Of these, what is not of the release: it was taken away. */
  foreign: string[];
  /** Where what was taken away or replaced is kept, if anything was. */
  aside?: string;
  /** What is not as it should be now, one line each. */
  problems: string[];
}

/**
 * Looks at what runs, and repairs it. Undefined when nothing runs that could be
 * looked at: a verdict is due, or `current` leads elsewhere. Throws
 * `UpdaterError` INTERRUPTED.
 */
export async function heal(host: Host, options: HealOptions): Promise<HealReport | undefined> {
  const { store, paths } = host;
  const deployment = store.state.running?.deployment;
  const { current } = store;
  if (store.marker !== undefined || deployment === undefined) return undefined;
  if (current.kind !== 'deployment' || current.id !== deployment.id) return undefined;
  const before = readHealFile(paths.healFile, deployment.id);
  const report: HealReport = {
    deployment,
    findings: [],
    repaired: [],
    foreign: [],
    problems: [],
  };
  report.problems.push(...checkFolders(host, deployment, options.dryRun === true));
  const known = readInventory(paths, deployment);
  const isPutOff = options.hasty === true && known !== undefined;
  const isFull = options.byHand === true || (isFullDue(before) && !isPutOff);
  const build = isFull && options.dryRun !== true;
  const inventory = known ?? (build ? buildInventory(host, deployment) : undefined);
  let after = before;
  if (inventory !== undefined) {
    after = await healEntries(host, inventory, before, isFull, options, report);
  } else {
    // Reading everything again would tell nothing new: not before it is due again.
    if (isFull) after = { ...before, full: timestamp(), checked: timestamp() };
    report.problems.push(
      `'${deployment.id}' is not what was installed, and nothing here tells what it should be: the next release replaces it`,
    );
  }
  if (options.dryRun !== true) remember(host, report, before, after);
  crashPoint('did-heal');
  stopIfTold(host.signal);
  return report;
}

async function healEntries(
  host: Host,
  inventory: Inventory,
  before: HealFile,
  isFull: boolean,
  options: HealOptions,
  report: HealReport,
): Promise<HealFile> {
  const { paths } = host;
  const now = Date.now();
  const { id } = inventory.deployment;
  const directory = deploymentPath(paths, id);
  const round: Round = {
    directory,
    aside: join(paths.aside, `${nextTimeName(paths.aside)}-${id}`),
  };
  const entries = entriesOf(inventory);
  const byHand = options.byHand === true;
  const reading = isFull ? (byHand ? undefined : before.reading) : undefined;
  const began = reading === undefined ? now : Date.parse(reading.began);
  const look = (fullFrom: string | undefined): Look =>
    lookAt(directory, entries, {
      checkedMs: before.checked === undefined ? undefined : Date.parse(before.checked),
      suspects: new Set([...before.suspects, ...report.repaired, ...failed.keys()]),
      fullFrom,
      budget: byHand ? Number.POSITIVE_INFINITY : BUDGET_BYTES,
    });
  let file = before;
  const failed = new Map<string, string>();
  const first = look(isFull ? (reading?.after ?? '') : undefined);
  report.findings = first.findings;
  let found = first.findings;
  for (let pass = 1; pass <= MAX_PASSES && options.dryRun !== true; pass += 1) {
    const todo = found.filter((each) => isOurs(host, each) && !failed.has(each.path));
    const refused = todo
      .map((each) => each.path)
      .filter((path) => !byHand && !mayRepair(file, path, now));
    const allowed = withoutBelow(todo, new Set(refused));
    file = leaveAlone(file, refused, now);
    if (allowed.length === 0) break;
    const online = options.online && (byHand || !isWithin(file.askedInVain, now, ASK_EVERY_MS));
    const repairs = await repairAll(host, round, inventory, allowed, online);
    if (repairs.inVain) file = { ...file, askedInVain: timestamp() };
    report.repaired.push(...repairs.done);
    const extra = allowed.filter(({ kind }) => kind === 'extra').map(({ path }) => path);
    report.foreign.push(...extra.filter((path) => repairs.done.includes(path)));
    for (const [path, why] of repairs.failed) failed.set(path, why);
    found = look(undefined).findings;
    if (host.signal.aborted) break;
  }
  if (existsSync(round.aside)) report.aside = round.aside;
  if (existsSync(paths.aside)) pruneFolders(paths.aside, KEPT_ASIDE);
  report.problems.push(...describeProblems(found, failed, file, host.config.heal.extra));
  return settleFile(countRepairs(file, report.repaired, now), {
    first,
    found,
    isFull,
    began,
    byHand,
  });
}

/** `findings` without those at or below one of `paths`: what is in a folder's place is in theirs, too. */
function withoutBelow(findings: readonly Finding[], paths: ReadonlySet<string>): Finding[] {
  if (paths.size === 0) return [...findings];
  const isBelow = (path: string): boolean =>
    paths.has(path) || (path !== '.' && isBelow(dirname(path)));
  return findings.filter(({ path }) => !isBelow(path));
}

/** What is known after a look that began at `began` (ms). */
function settleFile(
  file: HealFile,
  seen: { first: Look; found: readonly Finding[]; isFull: boolean; began: number; byHand: boolean },
): HealFile {
  const { first, found, isFull, byHand } = seen;
  const began = new Date(seen.began).toISOString();
  const suspects = found
    .filter(({ kind }) => kind === 'content' || kind === 'unreadable')
    .map(({ path }) => path)
    .slice(0, 1000);
  const settled: HealFile = { ...file, suspects };
  if (isFull) delete settled.reading;
  if (byHand) settled.leftAlone = {};
  if (isFull && first.stoppedAt !== undefined) {
    return { ...settled, reading: { began, after: first.stoppedAt } };
  }
  if (isFull) return { ...settled, full: timestamp(), checked: began };
  // Nothing was read: what was right then is right now, and nothing needs to be written down.
  return first.read === 0 || file.checked === undefined ? settled : { ...settled, checked: began };
}

function isFullDue({ full, checked }: HealFile): boolean {
  return checked === undefined || !isWithin(full, Date.now(), FULL_EVERY_MS);
}

function isOurs({ config }: Host, { kind }: Finding): boolean {
  return kind !== 'extra' || config.heal.extra === 'aside';
}

/** Where none was written at staging: what is there, if the disk is whole. */
function buildInventory({ paths }: Host, deployment: Deployment): Inventory | undefined {
  try {
    const components = listDeployment(paths, deployment.id);
    if (contentDigest(components.map(toContent)) !== deployment.digest) return undefined;
    const inventory = { deployment, components };
    writeInventory(paths, inventory);
    return inventory;
  } catch {
    return undefined; // It cannot be read back: that is told as not knowing what it should be.
  }
}
