/** What projects pack, for tests of the build: other components, and a look into finished archives. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { ReleaseConfig } from '@landfall/release';
import type { Project, ProjectOptions } from './project.ts';

/** Options for a project that has these components. */
export function components(...list: ReleaseConfig['components']): ProjectOptions {
  return { configure: (config) => void (config.components = list) };
}

/** What a finished archive of release 1.0.0 holds, as GNU tar tells it: mode and path of each entry. */
export function listing(site: Project, file: string): string[] {
  const path = join(site.directory, '.release', '1.0.0', file);
  return execFileSync('tar', ['--zstd', '-tvf', path], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => `${line.split(/\s+/)[0]} ${line.split(/\s+/).at(-1)}`);
}
