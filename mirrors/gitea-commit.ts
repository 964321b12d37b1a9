/**
 * Where a release's tag belongs: on the source commit, when this mirror's
 * repository has it, else on the index branch. A tag is for people: a mirror
 * that will not tell keeps no release from being published.
 */
import { encodePath, type HttpClient } from './http.ts';
import { statusError } from './http-errors.ts';

const MAX_ANSWER = 4 * 1024 * 1024;
const DEADLINE_MS = 30_000;

/** What a tag of `commit` is to be made at: the commit, or `branch`. Throws `MirrorError` when the mirror cannot be asked. */
export async function tagTarget(
  client: HttpClient,
  repository: string,
  { commit, branch }: { commit: string | undefined; branch: string },
  options: { signal?: AbortSignal },
): Promise<string> {
  if (commit === undefined || !/^[0-9a-f]{40,64}$/.test(commit)) return branch;
  const path = `api/v1/repos/${encodePath(repository)}/git/commits/${commit}`;
  const answer = await client.exchange('GET', path, {
    ...options,
    maxBytes: MAX_ANSWER,
    deadlineMs: DEADLINE_MS,
    headers: { accept: 'application/json' },
  });
  // A server in trouble is asked again: a tag stays where it was made.
  const { status } = answer;
  if (status >= 500 || status === 429) throw statusError(client.mirror, answer);
  return status === 200 ? commit : branch;
}
