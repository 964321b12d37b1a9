/**
 * What a stop left on a node's disk: its parts judged one by one, and a
 * fingerprint of everything that the next start could read and decide from.
 */
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { digestTree } from '@landfall/archive';
import { contentDigest } from '@landfall/manifest';

/** The files that the updater decides from. */
const RECORDS = ['state.json', 'floor.json', 'quarantine.json', 'pending-verification.json'];

/** Half-made things, logs and locks of processes that are gone. */
const UNREAD = /^(?:root\/deployments\/\.|root\/\.|state\/\.|state\/logs|state\/lock\.)/;

export interface DiskState {
  /** The same for two disks on which a start finds the same, but for times and process ids. */
  fingerprint: string;
  /** Version that `current` leads to; undefined without the link. */
  version: string | undefined;
  hasMarker: boolean;
  floor: number;
  /** What `state.json` says, without times; empty without the file. */
  state: string;
  quarantined: string[];
  /** Files of something begun and not finished. */
  leftovers: string[];
  /** What must never be there: a release or a record that is not whole. */
  problems: string[];
}

/** Looks at the node whose `root` and `state` are in `folder`. */
export function readDiskState(folder: string): DiskState {
  const root = join(folder, 'root');
  const state = join(folder, 'state');
  const problems: string[] = [];
  const records = new Map(RECORDS.map((name) => [name, readRecord(join(state, name), problems)]));
  const floors = records.get('floor.json') as { floors?: { sequence: number }[] } | undefined;
  const quarantine = records.get('quarantine.json') as
    | { entries?: { version: string }[] }
    | undefined;
  return {
    fingerprint: fingerprint(folder),
    version: readCurrent(root, problems),
    hasMarker: records.get('pending-verification.json') !== undefined,
    floor: floors?.floors?.[0]?.sequence ?? 0,
    state: maskTimes(JSON.stringify(records.get('state.json') ?? '')),
    quarantined: quarantine?.entries?.map((entry) => entry.version) ?? [],
    leftovers: findLeftovers(root, state),
    problems,
  };
}

function readRecord(path: string, problems: string[]): unknown {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown;
  } catch (error) {
    problems.push(`'${path}' is torn: ${String(error)}`);
    return {};
  }
}

/** The version that runs. A problem unless its bytes and modes are what its name says, by tree digest. */
function readCurrent(root: string, problems: string[]): string | undefined {
  const link = join(root, 'current');
  if (lstatSync(link, { throwIfNoEntry: false }) === undefined) return undefined;
  const target = readlinkSync(link);
  const version = /^deployments\/(.*)-[0-9a-f]{12}$/.exec(target)?.[1];
  try {
    const folder = join(root, target);
    const components = readdirSync(folder).map((name) => ({
      name,
      kind: 'tree' as const,
      artifact: { tree: { digest: digestTree(join(folder, name)).digest } },
    }));
    if (!target.endsWith(`-${contentDigest(components).slice(0, 12)}`)) {
      problems.push(`'current' leads to ${target}, which is not whole`);
    }
  } catch (error) {
    problems.push(`'current' leads to ${target}, which cannot be read: ${String(error)}`);
  }
  return version ?? target;
}

function findLeftovers(root: string, state: string): string[] {
  const names = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);
  const isHalf = (name: string): boolean => name.startsWith('.') || name.includes('.claim-');
  return [
    ...[root, join(root, 'deployments'), state].flatMap((each) => names(each).filter(isHalf)),
    ...names(join(state, 'downloads')),
  ];
}

/**
 * Names, kinds, modes and contents of everything that a start can tell apart.
 * Times, process ids and durations are masked. Logs are left out. The journal
 * counts as torn or not: nothing reads it to decide, and only its last byte
 * changes what the next append does. What is half-made counts by its name: the
 * next start removes it unread, but for a download, which is gone on with.
 */
function fingerprint(folder: string): string {
  const hash = createHash('sha256');
  const walk = (path: string, name: string): void => {
    const stat = lstatSync(path);
    if (UNREAD.test(name)) return void hash.update(`${maskIds(name)}\n`);
    hash.update(`${maskIds(name)} ${(stat.mode & 0o177777).toString(8)}\n`);
    if (stat.isSymbolicLink()) hash.update(readlinkSync(path));
    else if (stat.isFile()) hash.update(contentOf(path, name));
    else {
      for (const entry of readdirSync(path).toSorted()) walk(join(path, entry), `${name}/${entry}`);
    }
  };
  for (const top of ['root', 'state']) walk(join(folder, top), top);
  return hash.digest('hex');
}

function contentOf(path: string, name: string): Buffer | string {
  const bytes = readFileSync(path);
  if (name === 'state/journal.jsonl') {
    return bytes.length === 0 ? 'empty' : bytes.at(-1) === 0x0a ? 'whole' : 'torn';
  }
  const isRecord = name === 'root/floor.json' || name.startsWith('state/');
  return isRecord && name.includes('.json') ? maskTimes(bytes.toString('utf8')) : bytes;
}

/** Points in time, by a clock or by uptime: other numbers in these files are small and whole. */
function maskTimes(text: string): string {
  return text
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/": ?(?:\d{5,}(?:\.\d+)?|\d+\.\d+)/g, '":0');
}

function maskIds(name: string): string {
  return name
    .replaceAll(/(tmp-|claim-)\d+/g, '$1PID')
    .replaceAll(/^state\/lock\.\d+$/g, 'state/lock');
}
