/** The JSON of Gitea 1.17's answers, field by field as recorded in `test/vectors/gitea/`. */
import { askGitOnce, type Asset, type Release, type Repository, runGit } from './state.ts';

/** Times without fractions, as Gitea writes them. */
export function time(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z');
}

export function userShape(base: string, admin = false): Record<string, unknown> {
  return {
    id: 1,
    login: 'ship',
    full_name: '',
    email: 'ship@example.test',
    avatar_url: `${base}/avatars/2ea8114292636922bc393e789bfdde23`,
    language: '',
    is_admin: admin,
    last_login: admin ? '1970-01-01T00:00:00Z' : '0001-01-01T00:00:00Z',
    created: '2026-11-21T03:58:16Z',
    restricted: false,
    active: admin,
    prohibit_login: false,
    location: '',
    website: '',
    description: '',
    visibility: 'public',
    followers_count: 0,
    following_count: 0,
    starred_repos_count: 0,
    username: 'ship',
  };
}

export function repositoryShape(base: string, repository: Repository): Record<string, unknown> {
  const { fullName } = repository;
  return {
    id: repository.id,
    owner: userShape(base),
    name: fullName.split('/')[1],
    full_name: fullName,
    description: '',
    empty: false,
    private: false,
    fork: false,
    template: false,
    parent: null,
    mirror: false,
    size: 93,
    html_url: `${base}/${fullName}`,
    ssh_url: `git@localhost:${fullName}.git`,
    clone_url: `${base}/${fullName}.git`,
    original_url: '',
    website: '',
    stars_count: 0,
    forks_count: 0,
    watchers_count: 1,
    open_issues_count: 0,
    open_pr_counter: 0,
    release_counter: 0,
    default_branch: repository.branch,
    archived: false,
    created_at: time(repository.created),
    updated_at: time(repository.created),
    permissions: { admin: true, push: true, pull: true },
    has_issues: true,
    internal_tracker: {
      enable_time_tracker: true,
      allow_only_contributors_to_track_time: true,
      enable_issue_dependencies: true,
    },
    has_wiki: true,
    has_pull_requests: true,
    has_projects: true,
    ignore_whitespace_conflicts: false,
    allow_merge_commits: true,
    allow_rebase: true,
    allow_rebase_explicit: true,
    allow_squash_merge: true,
    default_merge_style: 'merge',
    avatar_url: '',
    internal: false,
    mirror_interval: '',
    repo_transfer: null,
  };
}

export function releaseShape(
  base: string,
  { fullName }: Repository,
  release: Release,
): Record<string, unknown> {
  return {
    id: release.id,
    tag_name: release.tag,
    target_commitish: release.target,
    name: release.title,
    body: release.notes,
    url: `${base}/api/v1/repos/${fullName}/releases/${release.id}`,
    html_url: `${base}/${fullName}/releases/tag/${release.tag}`,
    tarball_url: `${base}/${fullName}/archive/${release.tag}.tar.gz`,
    zipball_url: `${base}/${fullName}/archive/${release.tag}.zip`,
    draft: release.draft,
    prerelease: release.prerelease,
    created_at: time(release.created),
    published_at: time(release.created),
    author: userShape(base),
    assets: release.assets.map((asset) => assetShape(base, asset)),
  };
}

export function assetShape(base: string, asset: Asset): Record<string, unknown> {
  return {
    id: asset.id,
    name: asset.name,
    size: asset.size,
    download_count: asset.downloads,
    created_at: time(asset.created),
    uuid: asset.uuid,
    browser_download_url: `${base}/attachments/${asset.uuid}`,
  };
}

/** A file as the contents API shows it. */
export function contentShape(
  base: string,
  { fullName }: Repository,
  file: { path: string; blob: string; bytes: Buffer; branch: string },
): Record<string, unknown> {
  const { path, blob, bytes, branch } = file;
  const self = `${base}/api/v1/repos/${fullName}/contents/${path}?ref=${branch}`;
  const html = `${base}/${fullName}/src/branch/${branch}/${path}`;
  const blobUrl = `${base}/api/v1/repos/${fullName}/git/blobs/${blob}`;
  return {
    name: path.split('/').at(-1),
    path,
    sha: blob,
    type: 'file',
    size: bytes.length,
    encoding: 'base64',
    content: bytes.toString('base64'),
    target: null,
    url: self,
    html_url: html,
    git_url: blobUrl,
    download_url: `${base}/${fullName}/raw/branch/${branch}/${path}`,
    submodule_git_url: null,
    _links: { self, git: blobUrl, html },
  };
}

const VERIFICATION = {
  verified: false,
  reason: 'gpg.error.not_signed_commit',
  signature: '',
  signer: null,
  payload: '',
};

function show(repository: Repository, format: string, id: string): string {
  return askGitOnce(repository, ['show', '-s', `--format=${format}`, id])
    .toString()
    .trimEnd();
}

/** A commit as the contents API shows it. */
export function fileCommitShape(
  base: string,
  repository: Repository,
  id: string,
): Record<string, unknown> {
  const { fullName } = repository;
  const api = `${base}/api/v1/repos/${fullName}/git`;
  const [tree = '', parent = '', seconds = '0'] = show(repository, '%T%n%P%n%ct', id).split('\n');
  const person = {
    name: 'ship',
    email: 'ship@example.test',
    date: time(new Date(Number(seconds) * 1000)),
  };
  const created = '0001-01-01T00:00:00Z';
  return {
    url: `${api}/commits/${id}`,
    sha: id,
    created,
    html_url: `${base}/${fullName}/commit/${id}`,
    author: person,
    committer: person,
    parents: parent === '' ? [] : [{ url: `${api}/commits/${parent}`, sha: parent, created }],
    message: `${show(repository, '%B', id)}\n`,
    tree: { url: `${api}/trees/${tree}`, sha: tree, created },
  };
}

export const verificationShape = VERIFICATION;

export function branchShape(
  base: string,
  repository: Repository,
  name: string,
  id: string,
  mayPush: boolean,
): Record<string, unknown> {
  const { fullName } = repository;
  const person = { name: 'ship', email: 'ship@example.test', username: 'ship' };
  const isProtected = repository.protectedBranches.has(name);
  const seconds = Number(show(repository, '%ct', id));
  return {
    name,
    commit: {
      id,
      message: `${show(repository, '%B', id)}\n`,
      url: `${base}/${fullName}/commit/${id}`,
      author: person,
      committer: person,
      verification: VERIFICATION,
      timestamp: time(new Date(seconds * 1000)),
      added: null,
      removed: null,
      modified: null,
    },
    protected: isProtected,
    required_approvals: 0,
    enable_status_check: false,
    status_check_contexts: [],
    user_can_push: mayPush && !isProtected,
    user_can_merge: mayPush && !isProtected,
    effective_branch_protection_name: isProtected ? name : '',
  };
}

export function tagShape(
  base: string,
  { fullName, git }: Repository,
  name: string,
): Record<string, unknown> {
  const [id = '', seconds = '0', message = ''] = runGit(git, [
    'show',
    '-s',
    '--format=%H%n%ct%n%s',
    `refs/tags/${name}`,
  ]).split('\n');
  return {
    name,
    message,
    id,
    commit: {
      url: `${base}/api/v1/repos/${fullName}/git/commits/${id}`,
      sha: id,
      created: time(new Date(Number(seconds) * 1000)),
    },
    zipball_url: `${base}/${fullName}/archive/${name}.zip`,
    tarball_url: `${base}/${fullName}/archive/${name}.tar.gz`,
  };
}
