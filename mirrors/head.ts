/**
 * `releases/head.json`: the digests of all manifests and halt files that an index
 * holds, so that a reader who remembers these need ask for one file to see that
 * nothing changed. It is not signed and a hint only: it says what need not be
 * asked for again, never what is in it. Whoever can lie in it can send old bytes
 * as well. One that is odd in any way is as good as none.
 */
import { hash } from 'node:crypto';

/** Where it stands on the index branch. */
export const HEAD_PATH = 'releases/head.json';
/** No head is larger; an index of more files has none. */
export const MAX_HEAD_BYTES = 65_536;

const COVERED = /^releases\/(?:[a-z0-9][a-z0-9.-]{0,63}\/)?(?:manifest|halt)\.json$/;
const DIGEST = /^[0-9a-f]{64}$/;

/** Path on the index branch → SHA-256 in hex. What is not named is not there. */
export type Head = ReadonlyMap<string, string>;

/** Whether a head speaks of the file at `path` of the index branch. */
export function isCovered(path: string): boolean {
  return COVERED.test(path);
}

/** What a head says of these bytes. */
export function digestOf(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}

/** Whether `head` says that these bytes are at `path`; undefined: that nothing is. */
export function tells(head: Head, path: string, bytes: Uint8Array | undefined): boolean {
  return head.get(path) === (bytes === undefined ? undefined : digestOf(bytes));
}

/** Its bytes, the same for the same files; undefined when they are too many. */
export function formatHead(files: Head): Uint8Array | undefined {
  const sorted = [...files].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const value = { schema: 1, kind: 'head', files: Object.fromEntries(sorted) };
  const bytes = new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);
  return bytes.length > MAX_HEAD_BYTES ? undefined : bytes;
}

/** Undefined for what is no head. */
export function parseHead(bytes: Uint8Array): Head | undefined {
  if (bytes.length > MAX_HEAD_BYTES) return undefined;
  const { schema, kind, files } = parseObject(bytes);
  if (schema !== 1 || kind !== 'head' || typeof files !== 'object' || files === null) {
    return undefined;
  }
  const entries: [string, unknown][] = Object.entries(files);
  const named = entries.filter(
    (entry): entry is [string, string] =>
      isCovered(entry[0]) && typeof entry[1] === 'string' && DIGEST.test(entry[1]),
  );
  return named.length === entries.length && !Array.isArray(files) ? new Map(named) : undefined;
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
