/** Mirrors that are named on the command line: of the configuration, or by their address alone. */
import { resolve } from 'node:path';
import { CliError } from '@landfall/cli';
import { findChannels, folderOf } from '../channels.ts';
import { type MirrorConfig, type Named, nameMirrors } from '../config.ts';
import { MirrorError } from '../errors.ts';
import type { WritableMirror } from '../mirror.ts';
import { openWritableMirrors } from '../open.ts';
import { type Subject, toMirrorConfig } from './subject.ts';

/** All mirrors known, and those that were named. */
export interface Selection {
  all: Named<MirrorConfig>[];
  /** In the order of the option; the lists of `options`. */
  named: Named<MirrorConfig>[][];
}

/**
 * Finds the mirrors that each list names: by name, or by an address (a folder,
 * `file:`, `http:`, `gitea:…`), which joins the known ones unless one of them
 * is there. Throws `CliError`.
 */
export function selectMirrors(subject: Subject, lists: readonly (readonly string[])[]): Selection {
  const configs: MirrorConfig[] = [...subject.configs];
  const find = (text: string): number => {
    const named = configs.findIndex(({ name }) => name === text);
    if (named !== -1) return named;
    if (!/[/\\:]|^\.+$/.test(text)) throw noSuchMirror(text, subject);
    const config = toMirrorConfig(text);
    const there = configs.findIndex((each) => placeOf(each) === placeOf(config));
    return there === -1 ? configs.push(config) - 1 : there;
  };
  const found = lists.map((list) => [...new Set(list.map(find))]);
  const all = nameMirrors(configs);
  return { all, named: found.map((list) => list.flatMap((index) => all[index] ?? [])) };
}

/** What tells two mirrors apart, whatever they are called. */
function placeOf(config: MirrorConfig): string {
  if (config.type === 'gitea')
    return `${new URL(config.url).href.replace(/\/+$/, '')}/${config.repository}`;
  const folder = folderOf(config);
  return folder === undefined
    ? new URL(config.url ?? '').href.replace(/\/+$/, '')
    : resolve(folder);
}

function noSuchMirror(text: string, { configs }: Subject): CliError {
  const known = configs.map(({ name }) => name).join(', ');
  return new CliError(
    'USAGE',
    `no mirror is named '${text}': expected one of ${known}, or an address`,
    'a folder is named with a slash: ./stick or /media/stick',
  );
}

/** The mirror to write to. A `file:` address is as good as a folder. Throws `MirrorError` CONFIG. */
export function openWriter(config: Named<MirrorConfig>): WritableMirror {
  const folder = config.type === 'directory' ? folderOf(config) : undefined;
  const given =
    config.type === 'directory' && folder !== undefined ? { ...config, path: folder } : config;
  const [writer] = openWritableMirrors([given]);
  if (writer === undefined) throw new Error('no mirror was opened');
  return writer;
}

/** `named` and every channel that can be found by looking at the mirrors. */
export async function allChannels(
  named: readonly (string | undefined)[],
  configs: readonly Named<MirrorConfig>[],
  scratch: string,
  signal?: AbortSignal,
): Promise<(string | undefined)[]> {
  const found = new Set(named);
  for (const config of configs) {
    try {
      const { channels } = await findChannels(config, scratch, signal ? { signal } : {});
      for (const channel of channels) found.add(channel);
    } catch (error) {
      // A mirror that cannot be looked at is reported by what comes after.
      if (!(error instanceof MirrorError) || error.code === 'CONFIG') throw error;
    }
  }
  return [...found];
}
