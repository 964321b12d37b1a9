/**
 * Making root documents: the first, and each next one from the one before it
 * by what is to change. Pure but for the files of public keys that are named.
 */
import { readFileSync, statSync } from 'node:fs';
import { CliError } from '@landfall/cli';
import { formatKeyId, parsePublicKey, publicKeyBase64 } from '@landfall/minisign';
import type { RootDocument } from '@landfall/trust';
import { toSeconds } from './time.ts';

const MAX_KEY_FILE_BYTES = 4096;

type Role = RootDocument['root'];

/** What is to be different in the next version. Keys as bare lines (`RW…`). */
export interface RootChanges {
  readonly rootKeys: readonly string[];
  readonly rootThreshold: number | undefined;
  readonly keys: readonly { channel: string; key: string }[];
  readonly thresholds: readonly { channel: string; threshold: number }[];
  /** Keys that go, everywhere: lines or key ids. */
  readonly drop: readonly string[];
  readonly dropChannels: readonly string[];
  /** The last good manifest of a channel; undefined where there is none. */
  readonly floors: ReadonlyMap<string, { sequence: number; sha256: string } | undefined>;
  readonly expiresDays: number;
  readonly reason: string;
}

/** Version 1. Throws `CliError` USAGE when there are no keys for something. */
export function firstRoot(
  app: string,
  channel: string,
  changes: RootChanges,
  now: Date,
): RootDocument {
  const none: Role = { keys: [], threshold: 1 };
  const start = { schema: 1, kind: 'root', app, version: 0, channel, root: none } as const;
  const times = timesFrom(now, changes);
  return changed({ ...start, ...times, channels: [], reason: '' }, changes, now);
}

/**
 * The version after `current`. Throws `CliError` USAGE for a key that is
 * dropped and stands nowhere, and for a channel whose earlier manifests would
 * not be believed any more while no floor says which was the last good one.
 */
export function nextRoot(current: RootDocument, changes: RootChanges, now: Date): RootDocument {
  const next = changed(current, changes, now);
  for (const before of current.channels) {
    const after = next.channels.find(({ channel }) => channel === before.channel);
    if (after === undefined || !isNarrower(before, after)) continue;
    if (changes.floors.has(before.channel)) continue;
    throw new CliError(
      'USAGE',
      `--floor: expected the last good release of channel '${before.channel}', whose keys are replaced, found none`,
      `for example: --floor ${before.channel}=VERSION as it was signed here, --floor ${before.channel}=FILE of its manifest, or --floor ${before.channel}=none if it never had one`,
    );
  }
  return next;
}

/** A public key as its line: given as that, or by the file that holds it. Throws `MinisignError`. */
export function readKeyLine(text: string): string {
  const isFile = statSync(text, { throwIfNoEntry: false })?.isFile() === true;
  if (!isFile) return publicKeyBase64(parsePublicKey(text, `public key '${text}'`));
  const bytes = readFileSync(text);
  if (bytes.length > MAX_KEY_FILE_BYTES) {
    throw new CliError('USAGE', `'${text}' is too large for a public key`, 'name a .pub file');
  }
  return publicKeyBase64(parsePublicKey(bytes, text));
}

function changed(from: RootDocument, changes: RootChanges, now: Date): RootDocument {
  const names = [...from.channels.map(({ channel }) => channel), ...changes.keys.map(channelOf)];
  const kept = [...new Set(names)].filter((name) => !changes.dropChannels.includes(name));
  const channels = kept.map((channel) => {
    const before = from.channels.find((each) => each.channel === channel);
    const added = changes.keys.filter((each) => each.channel === channel).map(({ key }) => key);
    const threshold = changes.thresholds.find((each) => each.channel === channel)?.threshold;
    const role = changedRole(before, { added, threshold, drop: changes.drop });
    if (role.keys.length === 0) throw withoutKeys(`channel '${channel}'`);
    return { channel, ...role };
  });
  const { rootKeys: added, rootThreshold: threshold, drop } = changes;
  const root = changedRole(from.root, { added, threshold, drop });
  if (root.keys.length === 0) throw withoutKeys('the root document itself');
  requireKnown(from, changes);
  const floors = [...changes.floors].flatMap(([channel, floor]) =>
    floor === undefined ? [] : [{ channel, ...floor }],
  );
  const { floors: _, ...rest } = from;
  return {
    ...rest,
    version: from.version + 1,
    ...timesFrom(now, changes),
    root,
    channels,
    ...(floors.length === 0 ? {} : { floors }),
    reason: changes.reason,
  };
}

function changedRole(
  before: Role | undefined,
  change: { added: readonly string[]; threshold: number | undefined; drop: readonly string[] },
): Role {
  const keys = (before?.keys ?? []).filter((key) => !isDropped(key, change.drop));
  const threshold = change.threshold ?? before?.threshold ?? 1;
  return { keys: [...new Set([...keys, ...change.added])], threshold };
}

function isDropped(key: string, drop: readonly string[]): boolean {
  return drop.includes(key) || drop.includes(formatKeyId(parsePublicKey(key).keyId));
}

/** A slip of the finger must not leave a stolen key where it is, or a channel without the threshold that was meant. */
function requireKnown(from: RootDocument, changes: RootChanges): void {
  const keys = [from.root, ...from.channels].flatMap((role) => role.keys);
  const stray = changes.drop.find((each) => !keys.some((key) => isDropped(key, [each])));
  if (stray !== undefined) throw unknown('--drop', `a key of version ${from.version}`, stray);
  const known = [...from.channels, ...changes.keys].map(channelOf);
  const named = [
    ...changes.thresholds.map((each): [string, string] => ['--threshold', each.channel]),
    ...changes.dropChannels.map((each): [string, string] => ['--drop-channel', each]),
    ...[...changes.floors.keys()].map((each): [string, string] => ['--floor', each]),
  ];
  const wrong = named.find(([, channel]) => !known.includes(channel));
  if (wrong !== undefined) throw unknown(wrong[0], `one of ${known.join(', ')}`, wrong[1]);
}

/** Whether something that was signed well enough before might not be now. */
function isNarrower(before: Role, after: Role): boolean {
  return after.threshold > before.threshold || before.keys.some((key) => !after.keys.includes(key));
}

function timesFrom(
  now: Date,
  { expiresDays }: RootChanges,
): Pick<RootDocument, 'published' | 'expires'> {
  const expires = new Date(now.getTime() + expiresDays * 86_400_000);
  return { published: toSeconds(now), expires: toSeconds(expires) };
}

function channelOf({ channel }: { channel: string }): string {
  return channel;
}

function withoutKeys(what: string): CliError {
  return new CliError(
    'USAGE',
    `${what}: expected at least one key that may sign, found none`,
    what.startsWith('channel')
      ? 'name one with --key [CHANNEL=]KEY'
      : 'name one with --root-key KEY',
  );
}

function unknown(option: string, expected: string, found: string): CliError {
  return new CliError(
    'USAGE',
    `${option}: expected ${expected}, found '${found}'`,
    "'release trust show' lists keys and channels",
  );
}
