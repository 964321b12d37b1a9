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
import type { TrustPolicy } from '@landfall/trust';
import { z } from 'zod';
import { type MirrorConfig, mirrorConfigSchema, type Named, nameMirrors } from '../config.ts';
import { MirrorError } from '../errors.ts';
import { loadConfigModule } from '../load-config.ts';
import type { Mirror } from '../mirror.ts';
import { openMirrors } from '../open.ts';

const DEFAULT_CONFIG = 'release.config.ts';
/** Where the token of a Gitea mirror is taken from that is named by its address alone, to write there. */
const TOKEN_VARIABLE = 'GITEA_TOKEN';
const MAX_KEY_FILE_BYTES = 4096;

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
  channel: { value: 'CHANNEL', help: 'a channel other than the default one' },
};

/** What a command is about. */
export interface Subject {
  app: string;
  /** Undefined: the default channel. */
  channel: string | undefined;
  policy: TrustPolicy;
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
  keys: z.looseObject({
    public: z.array(z.string()).min(1),
    threshold: z.int().min(1).optional(),
  }),
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

function requireChannelName(text: string): void {
  if (!isChannelName(text)) {
    throw usage(`--channel: expected a channel name such as beta, found '${text}'`);
  }
}

function fromOptions(context: Context, channel: string | undefined): Subject {
  if (context.text('config') !== undefined)
    throw usage('expected --config or --mirror, found both');
  const app = context.text('app');
  const keys = context.list('key');
  if (app === undefined || keys.length === 0) {
    throw usage(
      `--mirror needs --app and --key: expected both, found ${app === undefined ? 'no --app' : 'no --key'}`,
    );
  }
  return {
    app,
    channel,
    policy: {
      keys: keys.map((key) => readKey(key, process.cwd())),
      threshold: context.count('threshold') ?? 1,
    },
    ...opened(context.list('mirror').map(toMirrorConfig)),
    defaultChannel: undefined,
    options: [
      ...context.list('mirror').map((each) => ` --mirror ${quoted(each)}`),
      ` --app ${app}`,
      ...keys.map((each) => ` --key ${quoted(each)}`),
      ...[context.text('threshold') ?? []].flat().map((each) => ` --threshold ${each}`),
    ].join(''),
  };
}

function opened(
  given: readonly MirrorConfig[],
  directory?: string,
): Pick<Subject, 'configs' | 'mirrors'> {
  const configs = nameMirrors(given, directory);
  return { configs, mirrors: openMirrors(configs) };
}

/** A mirror as it is written on a command line. */
export function toMirrorConfig(address: string): MirrorConfig {
  const gitea = /^gitea:(https?:\/\/.+?)\/([^/]+\/[^/]+?)\/?$/.exec(address);
  const [, url, repository] = gitea ?? [];
  if (url !== undefined && repository !== undefined) {
    return { type: 'gitea', url, repository, token: { env: TOKEN_VARIABLE } };
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
  return {
    app,
    channel: channel === defaultChannel ? undefined : channel,
    policy: {
      keys: keys.public.map((key) => readKey(key, folder)),
      threshold: keys.threshold ?? 1,
    },
    ...opened(mirrors, folder),
    defaultChannel,
    options: path === DEFAULT_CONFIG ? '' : ` --config ${quoted(path)}`,
  };
}

/** A word as a shell takes it. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
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
