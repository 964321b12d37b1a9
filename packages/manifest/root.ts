/**
 * The format of a root document (schema 1): which keys may sign which
 * channels, and which root keys may replace the document. What it takes to
 * believe one, and whether its keys and thresholds make sense, is
 * `@landfall/trust`'s. Modelled on TUF's root role:
 * https://theupdateframework.github.io/specification/latest/#root
 */
import { z } from './zod.ts';
import {
  channelField,
  type DocumentKind,
  parseDocument,
  serializeDocument,
  sha256Field,
  slugField,
  timestampField,
  wordsField,
} from './document.ts';

/** No root document is larger; a reader stops there. */
export const MAX_ROOT_BYTES = 64 * 1024;
/** Old and new root keys together must fit into the signatures that a verifier looks at. */
const MAX_ROLE_KEYS = 16;

const role = {
  /** minisign public keys, bare: `RW…`. */
  keys: z
    .array(z.string().check(z.regex(/^RW[A-Za-z0-9+/]{54}$/, 'expected a public key (RW…)')))
    .check(z.minLength(1), z.maxLength(MAX_ROLE_KEYS)),
  threshold: z.int().check(z.minimum(1), z.maximum(MAX_ROLE_KEYS)),
};

const rootSchema = z.lazy(() =>
  z
    .looseObject({
      schema: z.literal(1),
      kind: z.literal('root'),
      app: slugField,
      version: z.int().check(z.minimum(1)),
      published: timestampField,
      expires: timestampField,
      /** The default channel: the one whose manifest is `releases/manifest.json`. */
      channel: channelField,
      root: z.looseObject(role),
      channels: z
        .array(z.looseObject({ channel: channelField, ...role }))
        .check(z.minLength(1), z.maxLength(64)),
      /** Where the sequence of a channel begins again, also below what a node has accepted. */
      floors: z.optional(
        z
          .array(
            z.looseObject({
              channel: channelField,
              sequence: z.int().check(z.minimum(1)),
              sha256: sha256Field,
            }),
          )
          .check(z.maxLength(64)),
      ),
      /** Why this version was made, for people. */
      reason: wordsField(4096),
    })
    .check(
      z.superRefine((root, context) => {
        const problem = (message: string): void => context.addIssue({ code: 'custom', message });
        const channels = root.channels.map((each) => each.channel);
        if (new Set(channels).size !== channels.length) problem('a channel is listed twice');
        if (!channels.includes(root.channel)) {
          problem(`the default channel '${root.channel}' is not listed in 'channels'`);
        }
        const floors = (root.floors ?? []).map((each) => each.channel);
        if (new Set(floors).size !== floors.length) problem('a channel has two floors');
        for (const channel of floors) {
          if (!channels.includes(channel)) {
            problem(`the floor is of channel '${channel}', which is not listed in 'channels'`);
          }
        }
        if (root.expires <= root.published) problem("'expires' is not after 'published'");
      }),
    ),
);

/** Who may sign what. Keys as bare base64, digests in lower-case hex, times in UTC. */
export type RootDocument = z.infer<typeof rootSchema>;

const kind: DocumentKind<RootDocument> = {
  name: 'root document',
  schema: rootSchema,
  maxBytes: MAX_ROOT_BYTES,
  invalid: 'ROOT_INVALID',
  otherSchema: 'ROOT_SCHEMA',
};

/** Reads the format alone. Throws `ManifestError` ROOT_INVALID, ROOT_SCHEMA. */
export function parseRootDocument(bytes: Uint8Array): RootDocument {
  return parseDocument(bytes, kind);
}

/** Canonical bytes. Throws `ManifestError` ROOT_INVALID. */
export function serializeRootDocument(root: RootDocument): Uint8Array {
  return serializeDocument(root, kind);
}

/**
 * Where version `version` of the root document stands on the index branch, for
 * good: `trust/root-1.json`; its signatures beside it, as `signaturePath` says.
 */
export function rootPath(version: number): string {
  return `trust/root-${version}.json`;
}
