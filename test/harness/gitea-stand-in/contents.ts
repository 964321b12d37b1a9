/** Files of a branch: the contents API, raw files, branches and tags. */
import type { Answer } from '../http-faults.ts';
import {
  empty,
  failure,
  json,
  notFound,
  readJson,
  type RepositoryCall,
  unauthorized,
} from './answers.ts';
import {
  branchShape,
  contentShape,
  fileCommitShape,
  tagShape,
  verificationShape,
} from './shapes.ts';
import { askGitOnce, commitFiles, commitOf, headOf, type Repository, runGit } from './state.ts';

/** A file at the head of a branch. */
export interface BranchFile {
  path: string;
  branch: string;
  /** Its blob id. */
  blob: string;
  bytes: Buffer;
}

/** The file, or undefined. */
export function readBranchFile(
  repository: Repository,
  branch: string,
  path: string,
): BranchFile | undefined {
  const head = headOf(repository, branch);
  if (head === undefined) return undefined;
  const listing = askGitOnce(repository, ['ls-tree', head, '--', path]).toString();
  const blob = /^\d+ blob ([0-9a-f]{40})\t/.exec(listing)?.[1];
  if (blob === undefined) return undefined;
  const bytes = askGitOnce(repository, ['cat-file', 'blob', blob]);
  return { path, branch, blob, bytes };
}

/** Answers a path that begins with `contents`. */
export async function answerContents(call: RepositoryCall): Promise<Answer> {
  const path = call.path.split('/').slice(1).map(decodeURIComponent).join('/');
  if (call.method === 'GET') {
    const branch = call.query.get('ref') ?? call.repository.branch;
    const file = readBranchFile(call.repository, branch, path);
    return file === undefined
      ? notFound(call)
      : json(200, contentShape(call.base, call.repository, file));
  }
  call.request.pause();
  if (path === '') {
    call.request.resume();
    return empty(405);
  }
  return call.authorized ? changeFile(call, path) : unauthorized(call);
}

async function changeFile(call: RepositoryCall, path: string): Promise<Answer> {
  const { repository, base } = call;
  const body = await readJson(call.request);
  const branch = String(body['branch'] ?? repository.branch);
  const there = readBranchFile(repository, branch, path);
  if (call.method === 'POST' && there !== undefined) {
    return failure(call, 422, `repository file already exists [path: ${path}]`);
  }
  if (call.method === 'PUT') {
    const sha = body['sha'];
    if (sha === undefined) return failure(call, 422, '[SHA]: Required');
    if (sha !== there?.blob) {
      const given = `given: ${String(sha)}, expected: ${there?.blob}`;
      return failure(call, 422, `sha does not match [${given}]`);
    }
  }
  const content = Buffer.from(String(body['content']), 'base64');
  const id = commitFiles(repository, branch, { [path]: content }, String(body['message']));
  const file = readBranchFile(repository, branch, path);
  if (file === undefined) throw new Error(`'${path}' was written and is not there`);
  return json(call.method === 'POST' ? 201 : 200, {
    content: contentShape(base, repository, file),
    commit: fileCommitShape(base, repository, id),
    verification: verificationShape,
  });
}

/** A file as it is, as `raw/branch/…` and `api/v1/…/raw/…` serve it. */
export function rawFile(repository: Repository, branch: string, path: string): Answer {
  const file = readBranchFile(repository, branch, path);
  const type = 'text/plain; charset=utf-8';
  if (file === undefined) {
    return { status: 404, headers: { 'content-type': type }, body: 'Not found.\n' };
  }
  return {
    status: 200,
    headers: {
      'content-type': type,
      etag: `"${file.blob}"`,
      'cache-control': 'public,max-age=86400',
    },
    body: file.bytes,
  };
}

export function answerBranch(call: RepositoryCall, name: string): Answer {
  const head = headOf(call.repository, name);
  if (head === undefined) return notFound(call);
  return json(200, branchShape(call.base, call.repository, name, head, call.authorized));
}

/** `git/commits/<sha>`: the beginning of what the API tells; nothing reads the rest. */
export function answerCommit(call: RepositoryCall, sha: string): Answer {
  const id = /^[0-9a-f]{40}$/.test(sha) ? commitOf(call.repository, sha) : undefined;
  if (id === undefined) return notFound(call);
  const url = `${call.base}/api/v1/repos/${call.repository.fullName}/git/commits/${id}`;
  return json(200, { url, sha: id });
}

export function answerTags(call: RepositoryCall): Answer {
  const names = runGit(call.repository.git, ['tag', '--list']).split('\n').filter(Boolean);
  const shapes = names.map((name) => tagShape(call.base, call.repository, name));
  return json(200, shapes, { 'x-total-count': String(names.length) });
}
