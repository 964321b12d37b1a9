/** A project whose mirrors are stand-ins of Gitea servers: real HTTP, real git. */
import { execFileSync } from 'node:child_process';
import { onTestFinished } from 'vitest';
import type { CommandOptions, Outcome } from './command.ts';
import { type GiteaStandIn, startGiteaStandIn } from './gitea-stand-in/server.ts';
import { makeProject, type Project, type ProjectOptions } from './project.ts';

const REPOSITORY = 'isles/archipelago';

export interface GiteaProject {
  readonly project: Project;
  /** By the name of the mirror. */
  readonly servers: ReadonlyMap<string, GiteaStandIn>;
  server(name: string): GiteaStandIn;
  /** Runs `release` with the token in its environment. */
  release(args: readonly string[], options?: CommandOptions): Promise<Outcome>;
  /** The environment that holds the token. */
  readonly env: Readonly<Record<string, string>>;
  remove(): Promise<void>;
}

/** Makes servers with an empty repository each, and a project that publishes to them. */
export async function makeGiteaProject(
  names: readonly string[],
  options: ProjectOptions = {},
): Promise<GiteaProject> {
  const servers = new Map<string, GiteaStandIn>();
  for (const name of names) servers.set(name, await startGiteaStandIn({ repository: REPOSITORY }));
  const project = await makeProject({
    mirrors: [],
    ...options,
    configure: (config) => {
      for (const [name, { url }] of servers) {
        const token = { env: 'GITEA_TOKEN' };
        config.mirrors.push({ type: 'gitea', name, url, repository: REPOSITORY, token });
      }
      options.configure?.(config);
    },
  });
  const env = { GITEA_TOKEN: [...servers.values()][0]?.token ?? '' };
  return {
    project,
    servers,
    server: (name) => {
      const server = servers.get(name);
      if (server === undefined) throw new Error(`no server is called '${name}'`);
      return server;
    },
    release: (args, more = {}) => project.release(args, { ...more, env: { ...env, ...more.env } }),
    env,
    remove: async () => {
      project.remove();
      await Promise.all([...servers.values()].map((server) => server.close()));
    },
  };
}

/** The same, removed when the running test ends. */
export async function useGiteaProject(
  names: readonly string[],
  options: ProjectOptions = {},
): Promise<GiteaProject> {
  const made = await makeGiteaProject(names, options);
  onTestFinished(() => made.remove());
  return made;
}

/** What a server holds: the head of its index branch, and its assets by release, names in order. */
export function contentsOf(server: GiteaStandIn): {
  head: string | undefined;
  assets: Record<string, string[]>;
} {
  const repository = server.repository();
  const assets: Record<string, string[]> = {};
  for (const release of repository.releases) {
    const names = release.assets.map(({ name, size }) => `${name} ${size}`);
    assets[`${release.tag}${release.draft ? ' (draft)' : ''}`] = names.toSorted();
  }
  return { head: headOf(repository.git, repository.branch), assets };
}

function headOf(git: string, branch: string): string | undefined {
  try {
    const args = [`--git-dir=${git}`, 'rev-parse', '--verify', '--quiet', `refs/heads/${branch}`];
    return execFileSync('git', args, { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}
