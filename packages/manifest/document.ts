/**
 * What all signed documents have in common: JSON of a bounded size, with a
 * `schema` number, read by a zod schema and written as canonical bytes.
 *
 * Parse only bytes whose signature was verified. Unknown fields are kept and
 * ignored, so that an older node can read a newer document; an unknown
 * `schema` is refused.
 */
import { describeIssues, plainLine } from '@landfall/errors';
import { z } from './zod.ts';
import { ManifestError, type ManifestErrorCode } from './errors.ts';
import { isChannelName, isFileName, isSlug } from './names.ts';
import { isVersion } from './version.ts';

/** How one kind of document is read, and what errors call it. */
export interface DocumentKind<T> {
  /** In messages: `manifest`. */
  name: string;
  schema: z.ZodMiniType<T>;
  /** No document of this kind is larger. */
  maxBytes: number;
  /** Codes of what does not fit, and of a schema of the future. */
  invalid: ManifestErrorCode;
  otherSchema: ManifestErrorCode;
}

/** In hex: 64 digits, lower case. */
export const sha256Field = z
  .string()
  .check(z.regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hex digits'));
/** What an app or a component is called; see `isSlug`. */
export const slugField = z
  .string()
  .check(z.refine(isSlug, 'expected lower-case letters, digits, single dots and dashes'));
/** A channel of releases, as `stable`; see `isChannelName`. */
export const channelField = z
  .string()
  .check(z.refine(isChannelName, 'expected a channel name such as stable'));
/** A name on a mirror, without folders; see `isFileName`. */
export const fileField = z.string().check(z.refine(isFileName, 'expected a plain file name'));
/** Bytes. */
export const sizeField = z.int().check(z.minimum(0));
/** At most 128 characters, without build metadata; see `isVersion`. */
export const versionField = z
  .string()
  .check(z.maxLength(128), z.refine(isVersion, 'expected a semantic version such as 1.7.41-alpha'));
/** ISO 8601 in UTC, in whole seconds, with a `Z` at its end. */
export const timestampField = z.iso.datetime({
  offset: false,
  precision: 0,
  error: 'expected a UTC time such as 2026-04-22T19:00:00Z',
});

/**
 * Words for people, shown on the terminals of those who run nodes: one line,
 * and nothing that a terminal would obey. A stolen key must not hide what it does.
 */
export const wordsField = (most: number): z.ZodMiniString =>
  z
    .string()
    .check(
      z.maxLength(most),
      z.regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u, 'expected one line without control characters'),
    );

/** Reads a document's bytes. Throws `ManifestError` with the kind's codes. */
export function parseDocument<T>(bytes: Uint8Array, kind: DocumentKind<T>): T {
  if (bytes.length > kind.maxBytes) {
    throw new ManifestError(
      kind.invalid,
      `${kind.name} is too large: expected at most ${kind.maxBytes} bytes, found ${bytes.length}`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw new ManifestError(kind.invalid, `${kind.name} is not JSON`, { cause: error });
  }
  refuseOtherSchema(value, kind);
  return fit(value, kind);
}

/**
 * The bytes that are signed and published: JSON, two spaces, fields in the
 * order of the schema, a newline at the end. Throws `ManifestError` with the
 * kind's `invalid` code when `value` does not fit its own schema.
 */
export function serializeDocument<T>(value: T, kind: DocumentKind<T>): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(fit(value, kind), null, 2)}\n`);
}

function fit<T>(value: unknown, kind: DocumentKind<T>): T {
  const result = kind.schema.safeParse(value);
  if (result.success) return result.data;
  throw new ManifestError(
    kind.invalid,
    `${kind.name} does not fit its schema: ${describeIssues(result.error.issues)}`,
    { cause: result.error },
  );
}

function refuseOtherSchema<T>(value: unknown, kind: DocumentKind<T>): void {
  if (typeof value !== 'object' || value === null || !('schema' in value) || value.schema === 1)
    return;
  throw new ManifestError(
    kind.otherSchema,
    `${kind.name} is of another schema: expected 1, found ${plainLine(JSON.stringify(value.schema)?.slice(0, 40) ?? 'nothing')}`,
    {
      hint: 'update the updater on this node first: this release was made for a newer one',
    },
  );
}
