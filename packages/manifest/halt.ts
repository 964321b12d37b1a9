/**
 * The halt file (schema 1): versions of a channel that no node is to install
 * until further notice. One small file for the whole channel, so that a halt
 * reaches nodes without a new manifest. It is replaced by one with a higher
 * `serial`, which may halt more or, to resume, fewer.
 *
 * A halt is not a withdrawal: it can be taken back, and what runs stays.
 */
import { z } from './zod.ts';
import {
  channelField,
  type DocumentKind,
  parseDocument,
  serializeDocument,
  slugField,
  timestampField,
  versionField,
  wordsField,
} from './document.ts';

/** No halt file is larger; a reader stops there. */
export const MAX_HALT_BYTES = 64 * 1024;

const haltSchema = z.lazy(() =>
  z
    .looseObject({
      schema: z.literal(1),
      kind: z.literal('halt'),
      app: slugField,
      channel: channelField,
      /** Rises by one with every halt file of a channel. */
      serial: z.int().check(z.minimum(1)),
      published: timestampField,
      halted: z
        .array(
          z.looseObject({
            version: versionField,
            /** Why, for people. */
            reason: wordsField(500),
            at: timestampField,
          }),
        )
        .check(z.maxLength(256)),
    })
    .check(
      z.superRefine(({ halted }, context) => {
        const versions = halted.map((each) => each.version);
        if (new Set(versions).size === versions.length) return;
        context.addIssue({ code: 'custom', message: 'a version is halted twice' });
      }),
    ),
);

/** What is halted in a channel; times in UTC. */
export type Halt = z.infer<typeof haltSchema>;
/** One version that is halted. */
export type Halted = Halt['halted'][number];

const kind: DocumentKind<Halt> = {
  name: 'halt file',
  schema: haltSchema,
  maxBytes: MAX_HALT_BYTES,
  invalid: 'HALT_INVALID',
  otherSchema: 'HALT_SCHEMA',
};

/** Reads the format alone. Throws `ManifestError` HALT_INVALID, HALT_SCHEMA. */
export function parseHalt(bytes: Uint8Array): Halt {
  return parseDocument(bytes, kind);
}

/** Canonical bytes. Throws `ManifestError` HALT_INVALID. */
export function serializeHalt(halt: Halt): Uint8Array {
  return serializeDocument(halt, kind);
}

/**
 * Where a channel's halt file stands on the index branch:
 * `releases/halt.json` for the default channel (undefined), else
 * `releases/<channel>/halt.json`. Its signatures stand beside it, as
 * `signaturePath` says.
 */
export function haltPath(channel: string | undefined): string {
  return channel === undefined ? 'releases/halt.json' : `releases/${channel}/halt.json`;
}
