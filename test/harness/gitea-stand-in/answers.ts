/** Answers in Gitea's manner, and the request as its handlers see it. */
import type { IncomingMessage } from 'node:http';
import type { Answer } from '../http-faults.ts';
import type { GiteaState, Repository } from './state.ts';

export interface Options {
  /** Drafts are found by tag and served to anybody (1.17), or to nobody without a token (newer). */
  draftsArePublic: boolean;
  /** `range` is honoured (newer) or ignored (1.17). */
  ranges: boolean;
  /** Strangers see nothing of any repository. */
  isPrivate: boolean;
  /** How clients reach it; `https` behind a door with TLS. */
  scheme: 'http' | 'https';
}

/** One request being handled. */
export interface Call {
  method: string;
  path: string;
  query: URLSearchParams;
  request: IncomingMessage;
  /** The server's own address. */
  base: string;
  /** Whether a good token came with it. */
  authorized: boolean;
  state: GiteaState;
  options: Options;
}

/** A call below `/api/v1/repos/<owner>/<name>`, `path` being the rest. */
export interface RepositoryCall extends Call {
  repository: Repository;
}

const JSON_TYPE = 'application/json;charset=utf-8';

export function json(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return {
    status,
    headers: { 'content-type': JSON_TYPE, ...headers },
    body: `${JSON.stringify(value)}\n`,
  };
}

export function failure(call: Call, status: number, message: string): Answer {
  return json(status, { message, url: `${call.base}/api/swagger` });
}

export function notFound(call: Call): Answer {
  const message = "The target couldn't be found.";
  return json(404, { errors: null, message, url: `${call.base}/api/swagger` });
}

export function unauthorized(call: Call): Answer {
  return failure(call, 401, 'token is required');
}

export const empty = (status: number): Answer => ({ status, body: '' });

/** The request's whole body, at most 32 MiB. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > 32 * 1024 * 1024) throw new Error('the body is too large for the stand-in');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

/** The request's JSON object; what we send there is flat. */
export async function readJson(
  request: IncomingMessage,
): Promise<Record<string, string | boolean | undefined>> {
  return JSON.parse((await readBody(request)).toString('utf8')) as Record<string, string>;
}
