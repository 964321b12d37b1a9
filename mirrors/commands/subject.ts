/**
 * Which mirrors a command is about, and whom to believe: from a configuration
 * file, or from options alone, as a stranger would know them.
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { CliError, type Context, type OptionSpec } from '@landfall/cli';
import { describeIssues } from '@landfall/errors';
import { isChannelName } from '@landfall/manifest';
import { parsePublicKey, type PublicKey } from '@landfall/minisign';
import { type Authority, distinctKeys, type TrustPolicy } from '@landfall/trust';
import { z } from 'zod';
import { type MirrorConfig, mirrorConfigSchema, type Named, nameMirrors } from '../config.ts';
import { MirrorError } from '../errors.ts';
import { loadConfigModule } from '../load-config.ts';
import type { Mirror } from '../mirror.ts';
import { openMirrors } from '../open.ts';
import { readPin, readRootFolder } from '../root-folder.ts';
import { followRoots, type KnownRoots, newestOf } from '../served-roots.ts';

const DEFAULT_CONFIG = 'release.config.ts';
/** Where the token of a Gitea mirror is taken from that is named by its address alone, to write there. */
const TOKEN_VARIABLE = 'GITEA_TOKEN';
const MAX_KEY_FILE_BYTES = 4096;

/** Every command about mirrors has these; read with `findSubject`. */
export const SUBJECT_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  config: { value: 'FILE', help: `the release configuration; ${DEFAULT_CONFIG} unless told` },
  mirror: {
    value: 'ADDRESS',
    multiple: true,
    help: 'a mirror (http, https or file: a folder; gitea:https://host/owner/name: Gitea)',
  },
  app: { value: 'APP', help: 'with --mirror: the app' },
  key: { value: 'KEY', multiple: true, help: 'with --mirror: a public key (RW…) or its file' },
  threshold: { value: 'N', help: 'with --mirror: how many keys must have signed; 1 unless told' },
  'trusted-root': {
    value: 'FILE',
    help: 'with --mirror: in place of keys, the root document that is believed, signatures beside it',
  },
  channel: { value: 'CHANNEL', help: 'a channel other than the default one' },
};

/** What a command is about. */
export interface Subject {
  app: string;
  /** Undefined: the default channel. */
  channel: string | undefined;
  policy: Authority;
  /** Where a root document says who is believed: all that is known here or on the mirrors. */
  roots: KnownRoots | undefined;
  mirrors: Mirror[];
  /** What the mirrors were made from, in their order, paths absolute. */
  configs: Named<MirrorConfig>[];
  /** Name of the default channel, where it is known. */
  defaultChannel: string | undefined;
  /** The options that name the same subject, for commands shown to people: ` --config x.ts`, or nothing. */
  options: string;
}

/** `--channel`, for commands about all channels. */
export const CHANNELS_OPTION: OptionSpec = {
  value: 'CHANNEL',
  multiple: true,
  help: 'a channel that cannot be found by looking (a mirror behind plain HTTP has no listing)',
};

/** The channels that `--channel` names, with the default one, as undefined, in front. Throws `CliError`. */
export function channelsNamed(context: Context, subject: Subject): (string | undefined)[] {
  const names = context.list('channel');
  for (const name of names) requireChannelName(name);
  const others = names.filter((name) => name !== subject.defaultChannel);
  return [...new Set([undefined, ...others])];
}

/** The part of `release.config.ts` that matters to mirrors; the rest is release's own. */
const configSchema = z.looseObject({
  app: z.string(),
  channel: z.string().optional(),
  keys: z.union(
    [
      z.looseObject({
        public: z.array(z.string()).min(1),
        threshold: z.int().min(1).optional(),
        root: z.undefined().optional(),
      }),
      z.looseObject({ root: z.string(), public: z.undefined().optional() }),
    ],
    "expected 'public' (public keys), or 'root' (the folder of the root documents)",
  ),
  mirrors: z.array(mirrorConfigSchema).min(1),
});

/** Reads the options. Throws `CliError` and `MirrorError` CONFIG. */
export async function findSubject(context: Context): Promise<Subject> {
  const channel = context.text('channel');
  if (channel !== undefined) requireChannelName(channel);
  return context.list('mirror').length > 0
    ? fromOptions(context, channel)
    : fromConfig(context.text('config') ?? DEFAULT_CONFIG, channel);
}

/** The subject with what `mirrors` know of root documents beyond it, the channel by its name there. */
export async function withRoots(subject: Subject, mirrors: readonly Mirror[]): Promise<Subject> {
  if (subject.roots === undefined) return subject;
  const roots = await followRoots(subject.roots, mirrors);
  const policy = newestOf(roots.documents).verified.root;
  return {
    ...subject,
    policy,
    roots,
    channel: subject.channel === policy.channel ? undefined : subject.channel,
    defaultChannel: policy.channel,
  };
}

function requireChannelName(text: string): void {
  if (!isChannelName(text)) {
    throw usage(`--channel: expected a channel name such as beta, found '${text}'`);
  }
}

async function fromOptions(context: Context, channel: string | undefined): Promise<Subject> {
  if (context.text('config') !== undefined)
    throw usage('expected --config or --mirror, found both');
  const app = context.text('app');
  const keys = context.list('key');
  const rootFile = context.text('trusted-root');
  if (app === undefined || (keys.length === 0 && rootFile === undefined)) {
    throw usage(
      `--mirror needs --app and --key: expected both, found ${app === undefined ? 'no --app' : 'no --key'}`,
    );
  }
  if (rootFile !== undefined && (keys.length > 0 || context.count('threshold') !== undefined)) {
    throw usage('expected --trusted-root, or --key and --threshold, found both');
  }
  const believed =
    rootFile === undefined
      ? {
          policy: policyOf(keys, process.cwd(), context.count('threshold')),
          roots: undefined,
        }
      : believing({ documents: [await readPin(resolve(rootFile), app)] });
  const subject: Subject = {
    app,
    channel,
    ...believed,
    ...opened(context.list('mirror').map(toMirrorConfig)),
    defaultChannel: undefined,
    options: [
      ...context.list('mirror').map((each) => ` --mirror ${quoted(each)}`),
      ` --app ${app}`,
      ...keys.map((each) => ` --key ${quoted(each)}`),
      ...[context.text('threshold') ?? []].flat().map((each) => ` --threshold ${each}`),
      ...(rootFile === undefined ? [] : [` --trusted-root ${quoted(rootFile)}`]),
    ].join(''),
  };
  return withRoots(subject, subject.mirrors);
}

function believing(roots: KnownRoots): Pick<Subject, 'policy' | 'roots'> {
  return { policy: newestOf(roots.documents).verified.root, roots };
}

function opened(
  given: readonly MirrorConfig[],
  directory?: string,
): Pick<Subject, 'configs' | 'mirrors'> {
  const configs = nameMirrors(given, directory);
  return { configs, mirrors: openMirrors(configs) };
}

/** A mirror as it is written on a command line. Throws `CliError`. */
export function toMirrorConfig(address: string): MirrorConfig {
  const gitea = /^gitea:(https?:\/\/.+?)\/([^/]+\/[^/]+?)\/?$/.exec(address);
  const [, url, repository] = gitea ?? [];
  if (url !== undefined && repository !== undefined) {
    return { type: 'gitea', url, repository, token: { env: TOKEN_VARIABLE } };
  }
  if (/^gitea:/i.test(address)) {
    throw usage(`expected gitea:https://host/owner/name, found '${address}'`);
  }
  if (/^[a-z]+:\/\//.test(address)) return { type: 'directory', url: address };
  return { type: 'directory', path: address };
}

async function fromConfig(path: string, channel: string | undefined): Promise<Subject> {
  const result = configSchema.safeParse(await loadConfigModule(path));
  if (!result.success) {
    const what = describeIssues(result.error.issues);
    throw new MirrorError('CONFIG', '', `'${path}' is not right: ${what}`, {
      cause: result.error,
      hint: "compare it with what 'release init' writes",
    });
  }
  const { app, keys, mirrors, channel: defaultChannel } = result.data;
  const folder = dirname(resolve(path));
  const subject: Subject = {
    app,
    channel: channel === defaultChannel ? undefined : channel,
    ...(keys.root === undefined
      ? {
          policy: policyOf(keys.public, folder, keys.threshold),
          roots: undefined,
        }
      : believing(await knownIn(resolve(folder, keys.root), app))),
    ...opened(mirrors, folder),
    defaultChannel,
    options: path === DEFAULT_CONFIG ? '' : ` --config ${quoted(path)}`,
  };
  return withRoots(subject, subject.mirrors);
}

async function knownIn(folder: string, app: string): Promise<KnownRoots> {
  const { first, steps } = await readRootFolder(folder, app);
  return { documents: [first, ...steps] };
}

/** A word as a shell takes it. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** Throws `TrustError` POLICY_INVALID where no mirror could ever be believed. */
function policyOf(listed: readonly string[], folder: string, threshold = 1): TrustPolicy {
  const policy = { keys: listed.map((key) => readKey(key, folder)), threshold };
  distinctKeys(policy);
  return policy;
}

/** A key as text, or the file that holds it. */
function readKey(text: string, folder: string): PublicKey {
  const file = resolve(folder, text);
  const info = statSync(file, { throwIfNoEntry: false });
  if (info?.isFile() !== true) return parsePublicKey(text, `public key '${text}'`);
  if (info.size > MAX_KEY_FILE_BYTES) {
    throw new MirrorError('CONFIG', '', `'${file}' is too large for a public key`);
  }
  return parsePublicKey(readFileSync(file), file);
}

function usage(message: string): CliError {
  return new CliError('USAGE', message, "see 'mirrors help'");
}
