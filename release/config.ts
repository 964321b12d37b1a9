/**
 * `release.config.ts`: what a release is made of and where it goes. Checked
 * here, once; everything behind `Settings` is known to fit.
 *
 * Paths are relative to the folder of the configuration. Passwords and tokens
 * are never in it, only the names of where they are read from.
 */
import { parseDuration } from '@landfall/cli';
import { messageOf } from '@landfall/errors';
import { isChannelName, isPlatform, isSlug, MAX_DELTAS } from '@landfall/manifest';
import { parsePublicKey } from '@landfall/minisign';
import { mirrorConfigSchema } from '@landfall/mirrors';
import semver from 'semver';
import { z } from 'zod';
import type { RootStep } from './roots.ts';

const slug = z
  .string()
  .refine(isSlug, 'expected lower-case letters, digits, single dots and dashes');
const path = z.string().min(1, 'expected a path');
const platform = z.string().refine(isPlatform, "expected 'any' or a platform such as linux-x64");
const range = z
  .string()
  .refine((text) => semver.validRange(text) !== null, 'expected a version range such as >=1.2.0');

const publicKey = z.string().superRefine((text, context) => {
  try {
    parsePublicKey(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: messageOf(error) });
  }
});

/** A user's name is none with ssh; elsewhere tokens are put in its place. */
function isWithoutSecret(text: string): boolean {
  const url = URL.parse(text);
  return url?.password === '' && (url.username === '' || url.protocol === 'ssh:');
}

/** Milliseconds of a configured duration; 0 for what is none. */
export function toMs(value: number | string): number {
  if (typeof value === 'string') return parseDuration(value) ?? 0;
  return Number.isSafeInteger(value) ? value : 0;
}

const componentCommon = {
  /** Names the component in the manifest, in file names and on nodes. */
  name: slug,
  /** Commands to run first, each an argument list (no shell), in the folder of the configuration. */
  before: z
    .array(z.array(z.string().min(1)).min(1, 'expected a program and its arguments'))
    .default([]),
  compression: z.enum(['zstd', 'gzip']).default('zstd'),
  /** 1 to 19 for zstd, 1 to 9 for gzip; the compressor's own default unless told. */
  level: z.int().min(1).max(19).optional(),
};

const treeComponent = z.strictObject({
  ...componentCommon,
  kind: z.literal('tree'),
  /** The folder to pack. */
  from: path.optional(),
  /** Instead of `from`: an archive that something else made. It is gated and shipped as it is. */
  archive: path.optional(),
  platform: platform.default('any'),
  /** More folders and files, baked in at `at` (a path inside the archive). */
  extra: z.array(z.strictObject({ from: path, at: path })).default([]),
  /** Globs on paths inside the archive. */
  exclude: z.array(z.string().min(1)).default([]),
});

const fileComponent = z.strictObject({
  ...componentCommon,
  kind: z.literal('file'),
  /** One file per platform. */
  platforms: z
    .record(platform, path)
    .refine((each) => Object.keys(each).length > 0, 'expected at least one platform'),
  mode: z.union([z.literal(0o644), z.literal(0o755)], 'expected 0o644 or 0o755').default(0o755),
});

const componentSchema = z.discriminatedUnion('kind', [treeComponent, fileComponent], {
  error: (issue) => (issue.code === 'invalid_union' ? "expected 'tree' or 'file'" : undefined),
});

/** What `release.config.ts` may say, and its defaults. Looks at no file that it names. */
export const configSchema = z
  .strictObject({
    app: slug,
    /** The default channel's name: the one whose manifest is `releases/manifest.json`. */
    channel: z.string().refine(isChannelName, 'expected a channel name such as stable').optional(),
    keys: z
      .strictObject({
        /** Secret key files. The first signs `manifest.json.minisig`, each further one its own file. */
        secret: z.array(path).default([]),
        /** Public keys (`RW…`) that count. */
        public: z.array(publicKey).min(1, 'expected at least one public key').optional(),
        /** How many of them must have signed. */
        threshold: z.int().min(1).optional(),
        /** Instead of both: the folder of root documents, which say it for every channel. */
        root: path.optional(),
      })
      .superRefine(checkKeys)
      .transform((keys) => ({
        ...keys,
        public: keys.public ?? [],
        threshold: keys.threshold ?? 1,
      })),
    mirrors: z.array(mirrorConfigSchema).min(1, 'expected at least one mirror'),
    /** Mirrors that must have everything before any index names it; the majority unless told. */
    quorum: z.int().min(1).optional(),
    /** How long mirrors that are slow are waited for once a quorum is done: a duration, or milliseconds. */
    patience: z
      .union([z.number(), z.string()])
      .refine((value) => toMs(value) > 0, "expected milliseconds, or a text such as '30m'")
      .default('15m'),
    /** Where the source can be cloned from, for who wants to build a release again. */
    source: z
      .url({ protocol: /^(https?|ssh)$/ })
      .refine(isWithoutSecret, 'expected an address without a password or token')
      .optional(),
    /** Days after which nodes do not install it any more. */
    expiresDays: z.int().min(1).max(3650).default(90),
    /** Of so many earlier releases a delta is made to the new one, per component. */
    deltas: z.int().min(0).max(MAX_DELTAS).default(0),
    requires: z.strictObject({ updater: range.optional(), from: range.optional() }).default({}),
    /** A text, or the changelog whose section is the version's; CHANGELOG.md unless told, where it has one. */
    notes: z.union([z.string().max(65_536), z.strictObject({ changelog: path })]).optional(),
    components: z.array(componentSchema).min(1, 'expected at least one component').max(64),
  })
  .superRefine((config, context) => {
    const problem = (at: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path: at, message });
    if (config.quorum !== undefined && config.quorum > config.mirrors.length) {
      problem(
        ['quorum'],
        `expected at most the number of mirrors (${config.mirrors.length}), found ${config.quorum}`,
      );
    }
    for (const [index, component] of config.components.entries()) {
      const where = ['components', index];
      if (config.components.findIndex((each) => each.name === component.name) < index) {
        problem([...where, 'name'], `expected a name of its own, found '${component.name}' again`);
      }
      if (component.compression === 'gzip' && (component.level ?? 1) > 9) {
        problem([...where, 'level'], `expected 1 to 9 for gzip, found ${component.level}`);
      }
      if (component.kind === 'tree')
        checkTreeSource(component, (key, message) => problem([...where, key], message));
    }
  });

/** One of two says who may sign: keys and a threshold, or root documents. */
function checkKeys(
  keys: {
    public?: string[] | undefined;
    threshold?: number | undefined;
    root?: string | undefined;
  },
  context: z.RefinementCtx,
): void {
  const problem = (at: string, message: string): void =>
    context.addIssue({ code: 'custom', path: [at], message });
  if (keys.root !== undefined) {
    for (const name of ['public', 'threshold'] as const) {
      if (keys[name] !== undefined) problem(name, "expected none with 'root', which says it");
    }
    return;
  }
  if (keys.public === undefined) return problem('public', "expected public keys, or 'root'");
  const threshold = keys.threshold ?? 1;
  if (threshold <= keys.public.length) return;
  problem(
    'threshold',
    `expected at most the number of public keys (${keys.public.length}), found ${threshold}`,
  );
}

function checkTreeSource(
  component: z.output<typeof treeComponent>,
  problem: (key: string, message: string) => void,
): void {
  if ((component.from === undefined) === (component.archive === undefined)) {
    problem('from', "expected either 'from' (a folder) or 'archive' (a finished archive)");
  }
  if (component.archive === undefined) return;
  if (component.extra.length > 0)
    problem('extra', "expected none with 'archive': it ships as it is");
  if (component.exclude.length > 0)
    problem('exclude', "expected none with 'archive': it ships as it is");
}

/** What a maintainer writes. */
export type ReleaseConfig = z.input<typeof configSchema>;
/** A folder that is packed, or an archive that is shipped as it is; nodes unpack a tree. */
export type TreeComponentConfig = z.output<typeof treeComponent>;
/** A single file for each platform, which nodes install with `mode`. */
export type FileComponentConfig = z.output<typeof fileComponent>;
/** One component, defaults filled in. Its paths start from the folder of the configuration. */
export type ComponentConfig = z.output<typeof componentSchema>;

/** The checked configuration, and the folder its paths start from. */
export type LooseSettings = z.output<typeof configSchema> & {
  /** Absolute. */
  readonly directory: string;
  /** Absolute: the configuration itself. */
  readonly file: string;
};

/** The same with every default filled in, and with the root documents that it names. */
export type Settings = LooseSettings & {
  readonly channel: string;
  /** From the first to the newest that enough signed; none with `keys.public`. */
  readonly roots: readonly RootStep[];
};

/** Types a configuration in the editor; the checking is done by the command that reads it. */
export function defineConfig(config: ReleaseConfig): ReleaseConfig {
  return config;
}

/** Mirrors that must be complete before an index moves: the given number, the configured one, or the majority. */
export function quorumOf(settings: Settings, given: number | undefined): number {
  return given ?? settings.quorum ?? Math.floor(settings.mirrors.length / 2) + 1;
}
