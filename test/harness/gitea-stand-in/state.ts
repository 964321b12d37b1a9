/** What a Gitea server knows: repositories, releases, assets. Metadata in memory, bytes in a folder. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export interface Asset {
  id: number;
  uuid: string;
  name: string;
  size: number;
  created: Date;
  downloads: number;
}

export interface Release {
  id: number;
  tag: string;
  target: string;
  title: string;
  notes: string;
  draft: boolean;
  prerelease: boolean;
  created: Date;
  assets: Asset[];
}

export interface Repository {
  id: number;
  /** `owner/name`. */
  fullName: string;
  branch: string;
  created: Date;
  /** The bare repository's folder. */
  git: string;
  releases: Release[];
  /** Branches that nobody may push to. */
  protectedBranches: Set<string>;
  /** So many releases are refused after the first push, before the server notices that it is not empty any more. */
  asleep: number;
  /** What git said about objects; see `askGitOnce`. */
  known: Map<string, Buffer>;
}

/** Ids as the recorded server gave them, so that recorded requests fit as they are. */
export class GiteaState {
  readonly folder: string;
  readonly repositories = new Map<string, Repository>();
  #nextRepository = 2;
  #nextRelease = 2;
  #nextAsset = 1;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(join(folder, 'git'), { recursive: true });
    mkdirSync(join(folder, 'attachments'), { recursive: true });
  }

  /** Makes a repository; with `autoInit` one with a first commit. */
  createRepository(fullName: string, options: { branch: string; autoInit: boolean }): Repository {
    const git = join(this.folder, 'git', `${fullName}.git`);
    mkdirSync(git, { recursive: true });
    runGit(git, ['init', '--quiet', '--bare', `--initial-branch=${options.branch}`, git]);
    const repository: Repository = {
      id: this.#nextRepository++,
      fullName,
      branch: options.branch,
      created: new Date(),
      git,
      releases: [],
      protectedBranches: new Set(),
      asleep: 0,
      known: new Map(),
    };
    this.repositories.set(fullName, repository);
    if (options.autoInit) {
      commitFiles(repository, options.branch, { 'README.md': `# ${fullName}\n` }, 'Initial commit');
    }
    return repository;
  }

  createRelease(
    repository: Repository,
    fields: Omit<Release, 'id' | 'created' | 'assets'>,
  ): Release {
    const release: Release = {
      ...fields,
      id: this.#nextRelease++,
      created: new Date(),
      assets: [],
    };
    repository.releases.push(release);
    return release;
  }

  addAsset(release: Release, fields: { uuid: string; name: string; size: number }): Asset {
    const asset: Asset = { ...fields, id: this.#nextAsset++, created: new Date(), downloads: 0 };
    release.assets.push(asset);
    release.assets.sort((a, b) => (a.name === b.name ? a.id - b.id : a.name < b.name ? -1 : 1));
    return asset;
  }

  removeAsset(release: Release, asset: Asset): void {
    release.assets.splice(release.assets.indexOf(asset), 1);
    rmSync(this.attachment(asset.uuid), { force: true });
  }

  /** The asset of a uuid, wherever it hangs. */
  findAsset(uuid: string): { release: Release; asset: Asset } | undefined {
    for (const repository of this.repositories.values()) {
      for (const release of repository.releases) {
        const asset = release.assets.find((each) => each.uuid === uuid);
        if (asset !== undefined) return { release, asset };
      }
    }
    return undefined;
  }

  /** The file with the bytes of an asset. */
  attachment(uuid: string): string {
    return join(this.folder, 'attachments', uuid);
  }

  newUuid(): string {
    return randomUUID();
  }
}

const IDENTITY = {
  GIT_AUTHOR_NAME: 'ship',
  GIT_AUTHOR_EMAIL: 'ship@example.test',
  GIT_COMMITTER_NAME: 'ship',
  GIT_COMMITTER_EMAIL: 'ship@example.test',
};

/** Runs git on a bare repository as the server itself; its output. Throws when it fails. */
export function runGit(
  git: string,
  args: readonly string[],
  options: { input?: string | Buffer; env?: Record<string, string> } = {},
): string {
  return execFileSync('git', [`--git-dir=${git}`, ...args], {
    input: options.input ?? '',
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      ...IDENTITY,
      ...options.env,
    },
  }).replace(/\n$/, '');
}

/** The head of a branch, or undefined. Read as git writes it, which is much cheaper than to start git. */
export function headOf(repository: Repository, branch: string): string | undefined {
  const { git } = repository;
  const text = textOf(join(git, 'refs', 'heads', branch));
  const id = /^([0-9a-f]{40})\n$/.exec(text ?? '')?.[1];
  if (id !== undefined) return id;
  if (text === undefined && !existsSync(join(git, 'packed-refs'))) return undefined;
  try {
    return runGit(git, ['rev-parse', '--verify', '--quiet', `refs/heads/${branch}`]);
  } catch {
    return undefined;
  }
}

/** A file's text, or undefined when there is no such file. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** What git says about objects, which never changes; each asked once. No argument may be a reference. */
export function askGitOnce({ git, known }: Repository, args: readonly string[]): Buffer {
  const key = args.join('\0');
  const answer =
    known.get(key) ?? execFileSync('git', [`--git-dir=${git}`, ...args], { encoding: 'buffer' });
  known.set(key, answer);
  return answer;
}

/** The commit that a branch's name or a commit's id stands for, if the repository has it. */
export function commitOf({ git }: Repository, target: string): string | undefined {
  for (const name of [`refs/heads/${target}`, `${target}^{commit}`]) {
    try {
      return runGit(git, ['rev-parse', '--verify', '--quiet', name]);
    } catch {
      // Not this; perhaps the next.
    }
  }
  return undefined;
}

/** Commits files on top of a branch, as the web interface would; the commit's id. */
export function commitFiles(
  repository: Repository,
  branch: string,
  files: Readonly<Record<string, string | Buffer>>,
  message: string,
): string {
  const { git } = repository;
  const parent = headOf(repository, branch);
  const env = { GIT_INDEX_FILE: join(git, 'stand-in-index') };
  runGit(git, ['read-tree', parent ?? '--empty'], { env });
  for (const [path, input] of Object.entries(files)) {
    const blob = runGit(git, ['hash-object', '-w', '--stdin'], { input });
    const entry = `100644,${blob},${path}`;
    runGit(git, ['update-index', '--add', '--replace', '--cacheinfo', entry], { env });
  }
  const tree = runGit(git, ['write-tree'], { env });
  const parents = parent === undefined ? [] : ['-p', parent];
  const id = runGit(git, ['commit-tree', tree, ...parents], { input: `${message}\n` });
  runGit(git, ['update-ref', `refs/heads/${branch}`, id]);
  return id;
}
