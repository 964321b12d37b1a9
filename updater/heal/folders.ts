/** The folders above a deployment, through which the web server must get. */
import { chmodSync, lstatSync } from 'node:fs';
import { describeMode } from '@landfall/archive';
import { messageOf } from '@landfall/errors';
import { deploymentPath } from '../deployments.ts';
import type { Deployment } from '../facts.ts';
import type { Host } from '../host.ts';

const MODE = 0o755;

/**
 * Gives our own folders their mode, and tells of a root that nobody gets
 * through, which may be meant so. Returns what is wrong, one line each.
 */
export function checkFolders(host: Host, { id }: Deployment, dryRun: boolean): string[] {
  const { paths } = host;
  const problems: string[] = [];
  for (const path of [paths.deployments, deploymentPath(paths, id)]) {
    try {
      const mode = lstatSync(path).mode & 0o7777;
      if (mode === MODE) continue;
      const found = `'${path}' is ${describeMode('directory', mode)}`;
      if (dryRun) problems.push(`${found}, expected ${describeMode('directory', MODE)}`);
      else {
        chmodSync(path, MODE);
        host.note(`${found}: set to ${describeMode('directory', MODE)}`);
      }
    } catch (error) {
      problems.push(`'${path}': ${messageOf(error)}`);
    }
  }
  const mode = lstatSync(paths.root).mode & 0o7777;
  if ((mode & 0o011) === 0) {
    problems.push(
      `'${paths.root}' is ${describeMode('directory', mode)}: the web server cannot get through; chmod o+x ${paths.root}`,
    );
  }
  return problems;
}
