/**
 * Which folder the web server serves: a file with a random name and a random
 * content, in the deployment only, is asked for. The bytes alone would not
 * tell, since the old folder and its copy are the same. The file is removed at
 * once; one that a crash leaves is removed by the next adopt.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeFileDurably } from '@landfall/durable';
import { deploymentPath } from '../deployments.ts';
import type { Deployment } from '../facts.ts';
import { stopIfTold, type Host } from '../host.ts';
import { getBounded } from '../probe/request.ts';

const PREFIX = 'landfall-adopt-';
const TRIES = 10;

/** Whether the web server serves `deployment` now. Tries for a while: a server may look at links seldom. */
export async function isServed(host: Host, { id }: Deployment): Promise<boolean> {
  const { config, paths, signal } = host;
  const { url, host: name, tls, interval, timeout, component } = config.probe;
  const folder = join(deploymentPath(paths, id), component);
  removeProofs(folder);
  const token = randomBytes(16).toString('hex');
  const file = `${PREFIX}${token.slice(0, 8)}.txt`;
  writeFileDurably(join(folder, file), token, { mode: 0o644 });
  try {
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const target = { url: new URL(file, url), host: name, tls };
      const limits = { maxBytes: 1024, timeoutMs: timeout, signal };
      const body = await getBounded(target, limits).then(
        (answer) => (answer.status === 200 ? answer.body.toString('utf8') : ''),
        () => '',
      );
      stopIfTold(signal);
      if (body === token) return true;
      await sleep(Math.min(interval, 1000), undefined, { signal }).catch(() => {});
    }
    return false;
  } finally {
    removeProofs(folder);
  }
}

/** Removes what an earlier process left. */
export function removeProofs(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.startsWith(PREFIX)) rmSync(join(folder, name), { force: true });
  }
}
