/** Anonymous reads over HTTP, the same for every kind of mirror that has an address. */
import { collect } from './bounded.ts';
import type { HttpAnswer, HttpClient } from './http.ts';
import { htmlError, statusError } from './http-errors.ts';
import { MirrorError } from './errors.ts';
import type { Tagged } from './index-memory.ts';
import type { ArtifactStream, ByteSpan, OpenOptions, ReadOptions } from './mirror.ts';

/** A cache in between may hold yesterday's index for a day: Gitea says `max-age=86400`. */
const FRESH = { 'cache-control': 'no-cache' };

/** A small file, or undefined if it is not there. */
export async function readFile(
  client: HttpClient,
  path: string,
  options: ReadOptions,
): Promise<Uint8Array | undefined> {
  const found = await readTagged(client, path, options, undefined);
  return found === 'unchanged' ? undefined : found?.bytes;
}

/** The same with its tag; `unchanged` when the one that has the tag `etag` still stands there. */
export async function readTagged(
  client: HttpClient,
  path: string,
  options: ReadOptions,
  etag: string | undefined,
): Promise<Tagged> {
  const headers = etag === undefined ? FRESH : { ...FRESH, 'if-none-match': etag };
  const answer = await client.open('GET', path, { ...options, headers });
  if (etag !== undefined && answer.status === 304) {
    await answer.body.return?.();
    return 'unchanged';
  }
  if (!(await isFound(client, answer))) return undefined;
  return { bytes: await collect(answer.body), etag: answer.header('etag') };
}

/**
 * A large file as a stream, or undefined if it is not there. Of a `span`, a
 * server that knows no ranges sends the whole file: the stream then starts at 0.
 */
export async function openFile(
  client: HttpClient,
  path: string,
  { span, ...options }: OpenOptions,
): Promise<ArtifactStream | undefined> {
  const range = span === undefined ? {} : { range: `bytes=${span.start}-${span.end - 1}` };
  const answer = await client.open('GET', path, { ...options, headers: { ...FRESH, ...range } });
  if (span !== undefined && answer.status === 206) {
    return { ...(await partOf(client, answer, span)), body: answer.body };
  }
  return (await isFound(client, answer))
    ? { size: answer.size, start: 0, body: answer.body }
    : undefined;
}

/** What the header of a part says (RFC 9110, 14.4), if it is the part that was asked for. */
async function partOf(
  client: HttpClient,
  answer: HttpAnswer,
  span: ByteSpan,
): Promise<{ start: number; size: number | undefined }> {
  const told = answer.header('content-range') ?? 'none';
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i.exec(told);
  const [, first, last, size] = match ?? [];
  if (Number(first) === span.start && Number(last) === span.end - 1) {
    return { start: span.start, size: size === '*' ? undefined : Number(size) };
  }
  await answer.body.return?.();
  throw new MirrorError(
    'BAD_ANSWER',
    client.mirror,
    `sent another part than was asked for: expected bytes ${span.start}-${span.end - 1}, found '${client.safeWords(told)}' (${answer.subject})`,
    { hint: 'look at the server and at what is in front of it; another mirror serves the same' },
  );
}

/**
 * Answers to HEAD that say nothing of GET: it is not known, or the store that a Gitea server sends
 * us to takes the signed address for GET alone (https://github.com/go-gitea/gitea/issues/35086).
 */
const NO_HEAD = new Set([403, 405, 501]);

/** Whether a file is there, without its body. Servers that do not take HEAD are asked with GET. */
export async function statFile(
  client: HttpClient,
  path: string,
  options: ReadOptions,
): Promise<{ size: number | undefined } | undefined> {
  const request = { ...options, headers: FRESH };
  let answer = await client.open('HEAD', path, request);
  if (NO_HEAD.has(answer.status)) {
    await answer.body.return?.();
    answer = await client.open('GET', path, request);
  }
  if (!(await isFound(client, answer))) return undefined;
  await answer.body.return?.();
  return { size: answer.size };
}

/** Whether the answer is the file that was asked for. Ends its body if it is not. */
async function isFound(client: HttpClient, answer: HttpAnswer): Promise<boolean> {
  const type = answer.header('content-type') ?? '';
  if (answer.status === 200 && !/^(text\/html|application\/xhtml)/i.test(type)) return true;
  await answer.body.return?.();
  if (answer.status === 404 || answer.status === 410) return false;
  if (answer.status === 200) throw htmlError(client.mirror, answer.subject, 'a file');
  throw statusError(client.mirror, answer);
}
