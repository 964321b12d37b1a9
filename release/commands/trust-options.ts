/** The options of `release trust init` and `rotate`, as changes to a root document. */
import { resolve } from 'node:path';
import { CliError, type Context, type OptionSpec } from '@landfall/cli';
import { isChannelName, isVersion, MAX_MANIFEST_BYTES } from '@landfall/manifest';
import { verifyManifest } from '@landfall/trust';
import { collectSignatures } from '../collect.ts';
import type { Settings } from '../config.ts';
import { readSmallFile } from '../files.ts';
import { expectedOf } from '../load-config.ts';
import { readKeyLine, type RootChanges } from '../root-draft.ts';
import { channelPathOf, readSigned, versionFolder } from '../workspace.ts';

const DEFAULT_EXPIRES_DAYS = 365;
/** A hundred years. */
const MAX_EXPIRES_DAYS = 36_500;

/** What `release trust init` and `rotate` are told; read with `changesFrom`. */
export const CHANGE_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  'root-key': { value: 'KEY', multiple: true, help: 'a key that may replace the root document' },
  'root-threshold': { value: 'N', help: 'how many of those must sign; 1 unless told' },
  key: {
    value: '[CHANNEL=]KEY',
    multiple: true,
    help: 'a key that may sign releases; of the default channel unless told',
  },
  threshold: {
    value: '[CHANNEL=]N',
    multiple: true,
    help: 'how many of those must sign; 1 unless told',
  },
  drop: {
    value: 'KEY',
    multiple: true,
    help: 'rotate: a key, or its id, that may sign nothing more',
  },
  'drop-channel': { value: 'CHANNEL', multiple: true, help: 'rotate: a channel nobody signs more' },
  floor: {
    value: 'CHANNEL=VERSION',
    multiple: true,
    help: 'rotate: its last good release, as signed here, or the file of its manifest, or none',
  },
  expires: { value: 'DAYS', help: `how long it lasts; ${DEFAULT_EXPIRES_DAYS} unless told` },
  reason: { value: 'TEXT', help: 'why, for people; it stands in the document' },
};

/** Reads the options; `channel` is the default one. Throws `CliError` USAGE. */
export function changesFrom(
  context: Context,
  { channel, settings }: { channel: string; settings?: Settings },
): RootChanges {
  const split = (text: string, option: string): [string, string] =>
    splitChannel(text, channel, option);
  return {
    rootKeys: context.list('root-key').map(readKeyLine),
    rootThreshold: context.count('root-threshold'),
    keys: context.list('key').map((text) => {
      const [name, key] = split(text, 'key');
      return { channel: name, key: readKeyLine(key) };
    }),
    thresholds: context.list('threshold').map((text) => {
      const [name, count] = split(text, 'threshold');
      return { channel: name, threshold: wholeNumber(count) };
    }),
    drop: context.list('drop').map((text) => (isKeyId(text) ? text : readKeyLine(text))),
    dropChannels: context.list('drop-channel'),
    floors: new Map(
      context.list('floor').map((text) => {
        const [name, what] = split(text, 'floor');
        return [name, floorOf(name, what, settings)];
      }),
    ),
    expiresDays: expiresDaysOf(context),
    reason: context.text('reason')?.trim() ?? '',
  };
}

function expiresDaysOf(context: Context): number {
  const days = context.count('expires') ?? DEFAULT_EXPIRES_DAYS;
  if (days <= MAX_EXPIRES_DAYS) return days;
  throw new CliError(
    'USAGE',
    `--expires: expected at most ${MAX_EXPIRES_DAYS} days, found ${days}`,
    'for example: --expires 365',
  );
}

/** `beta=RW…` → beta and the rest. A key may end in `=` and holds none elsewhere. */
function splitChannel(text: string, channel: string, option: string): [string, string] {
  const match = /^([^=/]+)=(.+)$/.exec(text);
  const [, name, rest] = match ?? [];
  if (name === undefined || rest === undefined) return [channel, text];
  if (isChannelName(name)) return [name, rest];
  throw new CliError(
    'USAGE',
    `--${option}: expected a channel's name before '=', found '${name}'`,
    'a channel is a name such as beta',
  );
}

function isKeyId(text: string): boolean {
  return /^[0-9A-F]{1,16}$/.test(text);
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,2}$/.test(text)) return Number(text);
  throw new CliError(
    'USAGE',
    `--threshold: expected a whole number of at least 1, found '${text}'`,
    'for example: --threshold beta=2',
  );
}

/**
 * The last good manifest of a channel: what was signed here for a version, or a
 * file; signed by enough of the keys that count until now. Undefined for none.
 */
function floorOf(
  channel: string,
  what: string,
  settings: Settings | undefined,
): { sequence: number; sha256: string } | undefined {
  if (what === 'none') return undefined;
  if (settings === undefined) {
    throw new CliError('USAGE', '--floor: expected it with rotate only', 'leave it out');
  }
  const expected = expectedOf(settings, channel);
  const verified = isVersion(what)
    ? readSigned(versionFolder(settings, what), channelPathOf(settings, channel), expected)
        ?.verified
    : verifiedFile(resolve(what), expected);
  if (verified === undefined) {
    throw new CliError(
      'USAGE',
      `--floor: expected a release of channel '${channel}' that was signed here, or a manifest's file, found '${what}'`,
      "'release status' lists what was signed here; a mirror keeps manifests in releases/history/",
    );
  }
  return { sequence: verified.manifest.sequence, sha256: verified.sha256 };
}

function verifiedFile(
  path: string,
  expected: ReturnType<typeof expectedOf>,
): ReturnType<typeof verifyManifest> | undefined {
  const bytes = readSmallFile(path, MAX_MANIFEST_BYTES);
  if (bytes === undefined) return undefined;
  const { signatures } = collectSignatures(path, bytes, expected.policy);
  return verifyManifest(bytes, [...signatures.values()], expected.policy, expected);
}
