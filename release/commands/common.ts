/** What several commands have in common: options, channel, quorum. */
import { CliError, type Context, type OptionSpec } from '@landfall/cli';
import { isChannelName } from '@landfall/manifest';
import { isFreeForChannel, type WritableMirror } from '@landfall/mirrors';
import { quorumOf, type Settings } from '../config.ts';
import { expectedOf } from '../load-config.ts';
import type { Expected } from '../signed.ts';
import { channelPathOf } from '../workspace.ts';

/** `--dry-run` of every command that changes something. */
export const DRY_RUN: OptionSpec = { help: 'show what would be done, and change nothing' };
/** `--channel`; read with `channelOf`. */
export const CHANNEL: OptionSpec = {
  value: 'C',
  help: "the channel; the configuration's unless told",
};
/** `--quorum`; read with `quorumFrom`. */
export const QUORUM: OptionSpec = {
  value: 'N',
  help: 'mirrors that must be complete; the majority unless told',
};

/** `--force-index`, once for each mirror; read with `forcedFrom`. */
export const FORCE_INDEX: OptionSpec = {
  value: 'MIRROR',
  multiple: true,
  help: "replace this mirror's index branch where it has diverged from the others'",
};

/** The mirrors that `--force-index` names. Throws `CliError` USAGE for one that has no index branch. */
export function forcedFrom(
  context: Context,
  mirrors: readonly WritableMirror[],
): ReadonlySet<string> {
  const names = context.list('force-index');
  const possible = mirrors.filter(({ indexBranch }) => indexBranch !== undefined);
  const wrong = names.find((name) => !possible.some((mirror) => mirror.name === name));
  if (wrong === undefined) return new Set(names);
  const known = possible.map(({ name }) => name).join(', ');
  throw new CliError(
    'USAGE',
    `--force-index: expected the name of a mirror whose index is a git branch (${known === '' ? 'there is none' : known}), found '${wrong}'`,
    "'release status' lists the mirrors by name",
  );
}

/** A channel, where its manifest stands, and what that must be to be believed. */
export interface ChannelChoice {
  channel: string;
  /** Undefined for the default channel. */
  channelPath: string | undefined;
  expected: Expected;
}

/** The channel that is meant, `--channel` unless told. Throws `CliError` USAGE. */
export function channelOf(context: Context, settings: Settings, option = 'channel'): ChannelChoice {
  const channel = context.text(option) ?? settings.channel;
  if (!isChannelName(channel)) {
    throw new CliError(
      'USAGE',
      `--${option}: expected lower-case letters, digits, single dots and dashes, found '${channel}'`,
      'a channel is a name such as beta',
    );
  }
  const channelPath = channelPathOf(settings, channel);
  if (channelPath !== undefined && !isFreeForChannel(channelPath)) {
    throw new CliError(
      'USAGE',
      `--${option}: expected a name that no file of a mirror has, found '${channel}'`,
      'a channel is a name such as beta',
    );
  }
  return {
    channel,
    channelPath,
    expected: expectedOf(settings, channel),
  };
}

/** The quorum that is meant. Throws `CliError` USAGE when there are not so many mirrors. */
export function quorumFrom(context: Context, settings: Settings): number {
  const quorum = quorumOf(settings, context.count('quorum'));
  if (quorum <= settings.mirrors.length) return quorum;
  throw new CliError(
    'USAGE',
    `--quorum: expected at most the number of mirrors (${settings.mirrors.length}), found ${quorum}`,
    'lower it, or add mirrors to the configuration',
  );
}
