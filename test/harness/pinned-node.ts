/** A node by real commands, for tests of the maintainers' side: what it thinks of what they publish. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { runCommand } from './command.ts';
import type { Project } from './project.ts';

/** A node that pinned the first root document before anything went wrong. Returns its `updater check --json`. */
export async function useNode(site: Project): Promise<() => Promise<object>> {
  const folder = join(site.root, 'node');
  const config = ['--config', join(folder, 'landfall.toml')];
  const made = await runCommand('updater', [
    ...['init', ...config, '--app', 'archipelago', '--web-user', 'root'],
    ...['--trusted-root', join(site.directory, 'trust/root-1.json')],
    ...['--root', join(folder, 'root'), '--state', join(folder, 'state')],
    ...['--probe-url', 'http://127.0.0.1:9/'],
    ...site.mirrors.flatMap(({ directory }) => ['--mirror', directory]),
  ]);
  expect(made).toMatchObject({ code: 0 });
  return async () => {
    const { stdout } = await runCommand('updater', ['check', ...config, '--json']);
    return JSON.parse(stdout) as object;
  };
}
