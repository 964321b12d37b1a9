/**
 * Small JSON files read back at start. Bad content is a value, not an
 * exception: whoever reads state must decide what to do about it, and must
 * keep the bytes for whoever looks into it later.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { describeIssues, messageOf, systemCode } from '@landfall/errors';
import { type $ZodType, safeParse } from 'zod/v4/core';
import { writeFailed } from './errors.ts';
import { renameDurably } from './files.ts';

/** No state file is larger; a larger one is corrupt. */
const MAX_JSON_BYTES = 16 * 1024 * 1024;

/** No file, a value that fits the schema, or content that does not, and why. */
export type JsonFile<T> =
  | { state: 'absent' }
  | { state: 'ok'; value: T }
  | { state: 'corrupt'; reason: string };

/**
 * Reads `path` and checks it against `schema`. Throws `DurableError` only when
 * the disk refuses (no permission, I/O error): that says nothing about the content.
 */
export function readJsonFile<T>(path: string, schema: $ZodType<T>): JsonFile<T> {
  const bytes = readBounded(path);
  if (bytes === undefined) return { state: 'absent' };
  if (bytes === 'too large')
    return { state: 'corrupt', reason: `larger than ${MAX_JSON_BYTES} bytes` };
  if (bytes.length === 0) return { state: 'corrupt', reason: 'the file is empty' };
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    return { state: 'corrupt', reason: `not JSON: ${messageOf(error)}` };
  }
  const result = safeParse(schema, parsed);
  if (!result.success) return { state: 'corrupt', reason: describeIssues(result.error.issues) };
  return { state: 'ok', value: result.data };
}

/** Renames a corrupt file aside, to the first free `<path>.corrupt-<n>`, and returns that name. */
export function preserveCorruptFile(path: string): string {
  let n = 1;
  while (existsSync(`${path}.corrupt-${n}`)) n += 1;
  const aside = `${path}.corrupt-${n}`;
  renameDurably(path, aside);
  return aside;
}

function readBounded(path: string): Uint8Array | 'too large' | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw writeFailed('read', path, error);
  }
  try {
    const { size } = fstatSync(fd);
    if (size > MAX_JSON_BYTES) return 'too large';
    const bytes = Buffer.alloc(size);
    let length = 0;
    while (length < size) {
      const count = readSync(fd, bytes, length, size - length, length);
      if (count === 0) break;
      length += count;
    }
    return bytes.subarray(0, length);
  } catch (error) {
    throw writeFailed('read', path, error);
  } finally {
    closeSync(fd);
  }
}
