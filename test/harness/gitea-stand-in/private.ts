/**
 * Who may read a private repository, as Gitea decides it: its API and
 * attachments take any kind of credential, git and the pages that serve files
 * only `Basic`, with a token as the password; an attachment only with GET
 * (services/auth/auth.go and basic.go of Gitea 1.17).
 */
import type { Answer } from '../http-faults.ts';
import { type Call, notFound } from './answers.ts';
import { isGitPath, LOGIN } from './git-http.ts';

/** The answer to somebody who may not read, undefined for those who may. */
export function refuseStranger(call: Call): Answer | undefined {
  if (!call.options.isPrivate || mayRead(call)) return undefined;
  call.request.resume();
  return isGitPath(call.path) ? LOGIN : notFound(call);
}

function mayRead({ authorized, path, method, request }: Call): boolean {
  if (!authorized) return path === 'api/v1/version' || path === 'api/v1/user';
  if (path.startsWith('api/')) return true;
  if (path.startsWith('attachments/')) return method === 'GET';
  return request.headers.authorization?.startsWith('Basic ') === true;
}
