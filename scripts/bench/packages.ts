/**
 * Published npm packages at exact versions: real files of real releases.
 * `npm pack` fetches each once into the cache; no script of theirs runs.
 *
 * A package stands whole in the cache or not at all: it is unpacked beside its
 * place and renamed.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { compareVersions, isVersion } from '@landfall/manifest';
import { HOUSE } from '../build/bundle.ts';

/** What benches keep between runs. */
export const CACHE = join(HOUSE, 'node_modules/.cache/bench');

/**
 * The folder of the package `name` at `version`. Where that version is not to
 * be had it is the nearest published one, and `note` is told.
 */
export function packageFolder(name: string, version: string, note: (line: string) => void): string {
  const folder = folderOf(name, version);
  if (existsSync(folder)) return folder;
  if (fetchPackage(name, version)) return folder;
  const nearest = nearestTo(version, publishedVersions(name));
  if (nearest === undefined) throw new Error(`'${name}' ${version} is not to be had, nor another`);
  note(`'${name}' ${version} is not to be had: ${nearest} in its place`);
  if (!existsSync(folderOf(name, nearest)) && !fetchPackage(name, nearest)) {
    throw new Error(`'${name}' ${nearest} cannot be fetched`);
  }
  return folderOf(name, nearest);
}

function folderOf(name: string, version: string): string {
  return join(CACHE, 'packages', `${name.replace('@', '').replace('/', '-')}-${version}`);
}

function fetchPackage(name: string, version: string): boolean {
  const folder = folderOf(name, version);
  mkdirSync(join(CACHE, 'packages'), { recursive: true });
  const scratch = mkdtempSync(join(CACHE, 'packages/new-'));
  try {
    const options = ['--silent', '--ignore-scripts', '--pack-destination', scratch];
    execFileSync('npm', ['pack', ...options, `${name}@${version}`], { stdio: 'ignore' });
    const [archive = ''] = readdirSync(scratch);
    const whole = join(scratch, 'whole');
    mkdirSync(whole);
    const how = ['--strip-components=1', '--no-same-owner', '-C', whole];
    execFileSync('tar', ['-xzf', join(scratch, archive), ...how]);
    renameSync(whole, folder);
    return true;
  } catch {
    return existsSync(folder);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function publishedVersions(name: string): string[] {
  const text = execFileSync('npm', ['view', name, 'versions', '--json'], { encoding: 'utf8' });
  const found = JSON.parse(text) as unknown;
  return (Array.isArray(found) ? found : [found]).filter(
    (each): each is string => typeof each === 'string' && isVersion(each),
  );
}

/** The newest of `published` that is not above `version`, else the oldest. */
export function nearestTo(version: string, published: readonly string[]): string | undefined {
  const sorted = published.toSorted(compareVersions);
  return sorted.findLast((each) => compareVersions(each, version) <= 0) ?? sorted[0];
}
