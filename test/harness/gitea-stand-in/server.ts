/**
 * A stand-in for a Gitea 1.17 server: real HTTP, real git behind it, answers
 * as recorded in `test/vectors/gitea/`. A contract test holds it to that.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Answer, type FaultyServer, startFaultyServer } from '../http-faults.ts';
import {
  type Call,
  failure,
  json,
  notFound,
  type Options,
  readJson,
  unauthorized,
} from './answers.ts';
import { answerBranch, answerCommit, answerContents, answerTags, rawFile } from './contents.ts';
import { answerGit, isGitPath } from './git-http.ts';
import { refuseStranger } from './private.ts';
import { answerReleases } from './releases.ts';
import { repositoryShape, userShape } from './shapes.ts';
import { GiteaState, type Repository } from './state.ts';
import { answerWeb } from './web.ts';

export interface GiteaStandInOptions extends Partial<Options> {
  /** `owner/name` of a repository that is there from the start; none unless told. */
  repository?: string;
  /** Its first branch, `main` unless told. */
  branch?: string;
  /** Whether it has a first commit; it is empty unless told. */
  autoInit?: boolean;
  /** The one token that is good. */
  token?: string;
}

export interface GiteaStandIn extends FaultyServer {
  readonly token: string;
  readonly state: GiteaState;
  /** The repository it was started with. */
  repository(): Repository;
  /** Ends it and removes its folder. */
  close(): Promise<void>;
}

/** Starts a server on loopback. */
export async function startGiteaStandIn(options: GiteaStandInOptions = {}): Promise<GiteaStandIn> {
  const folder = mkdtempSync(join(tmpdir(), 'landfall-gitea-'));
  const state = new GiteaState(folder);
  const token = options.token ?? '0123456789abcdef0123456789abcdef01234567';
  const behaviour: Options = {
    draftsArePublic: options.draftsArePublic ?? true,
    ranges: options.ranges ?? false,
    isPrivate: options.isPrivate ?? false,
    scheme: options.scheme ?? 'http',
  };
  const name = options.repository;
  if (name !== undefined) {
    const { branch = 'main', autoInit = false } = options;
    state.createRepository(name, { branch, autoInit });
  }
  const server = await startFaultyServer((request, base) => {
    // Gitea knows its own address from its configuration; here it is the one that was asked.
    const { host = new URL(base).host } = request.headers;
    return answer(toCall(request, `${behaviour.scheme}://${host}`, token, state, behaviour));
  });
  return {
    ...server,
    token,
    state,
    repository: () => {
      const found = state.repositories.get(name ?? '');
      if (found === undefined) throw new Error('the stand-in was started without a repository');
      return found;
    },
    close: async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function toCall(
  request: IncomingMessage,
  base: string,
  token: string,
  state: GiteaState,
  options: Options,
): Call {
  const url = new URL(request.url ?? '/', base);
  return {
    method: request.method ?? 'GET',
    path: url.pathname.slice(1),
    query: url.searchParams,
    request,
    base,
    authorized: isAuthorized(request.headers.authorization, token),
    state,
    options,
  };
}

function isAuthorized(header: string | undefined, token: string): boolean {
  if (header === `token ${token}`) return true;
  const basic = /^Basic (.+)$/.exec(header ?? '')?.[1];
  return basic !== undefined && Buffer.from(basic, 'base64').toString().split(':').includes(token);
}

async function answer(call: Call): Promise<Answer> {
  const refusal = refuseStranger(call);
  if (refusal !== undefined) return refusal;
  if (isGitPath(call.path)) return answerGit(call);
  const api = /^api\/v1\/(.*)$/.exec(call.path)?.[1];
  if (api === undefined) return answerWeb(call);
  if (api === 'version') return json(200, { version: '1.17.0-dev' });
  if (api === 'user') {
    return call.authorized ? json(200, userShape(call.base, true)) : unauthorized(call);
  }
  if (api === 'user/repos' && call.method === 'POST') return createRepository(call);
  const match = /^repos\/([^/]+\/[^/]+)(?:\/(.*))?$/.exec(api);
  const repository = call.state.repositories.get(match?.[1] ?? '');
  if (repository === undefined) return notFound(call);
  return (await inRepository(call, repository, match?.[2] ?? '')) ?? notFound(call);
}

async function createRepository(call: Call): Promise<Answer> {
  if (!call.authorized) return unauthorized(call);
  const body = await readJson(call.request);
  const fullName = `ship/${String(body['name'])}`;
  if (call.state.repositories.has(fullName)) {
    return failure(call, 409, 'The repository with the same name already exists.');
  }
  const repository = call.state.createRepository(fullName, {
    branch: String(body['default_branch'] ?? 'main'),
    autoInit: body['auto_init'] === true,
  });
  return json(201, repositoryShape(call.base, repository));
}

async function inRepository(
  outer: Call,
  repository: Repository,
  path: string,
): Promise<Answer | undefined> {
  const call = { ...outer, repository, path };
  const [kind = '', ...rest] = path.split('/').map(decodeURIComponent);
  const name = rest.join('/');
  switch (kind) {
    case '':
      return answerRepository(call);
    case 'releases':
      return answerReleases(call);
    case 'contents':
      return answerContents(call);
    case 'branches':
      return answerBranch(call, name);
    case 'tags':
      return answerTags(call);
    case 'git':
      return rest[0] === 'commits' ? answerCommit(call, rest[1] ?? '') : undefined;
    case 'raw':
      return rawFile(repository, call.query.get('ref') ?? repository.branch, name);
    default:
      return undefined;
  }
}

function answerRepository(call: Call & { repository: Repository }): Answer {
  if (call.method === 'GET') return json(200, repositoryShape(call.base, call.repository));
  if (!call.authorized) return unauthorized(call);
  call.state.repositories.delete(call.repository.fullName);
  return { status: 204, body: '' };
}
