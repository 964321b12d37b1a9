/** Mirrors that are named on the command line: of the configuration, or by their address alone. */
import { CliError } from '@landfall/cli';
import { findChannels, folderOf } from '../channels.ts';
import { type MirrorConfig, type Named, nameMirrors } from '../config.ts';
import { MirrorError } from '../errors.ts';
import type { WritableMirror } from '../mirror.ts';
import { openWritableMirrors } from '../open.ts';
import { type Subject, toMirrorConfig } from './subject.ts';

/** Where the token of a Gitea mirror is taken from that is named by its address alone. */
const TOKEN_VARIABLE = 'GITEA_TOKEN';

/** All mirrors known, and those that were named. */
export interface Selection {
  all: Named<MirrorConfig>[];
  /** In the order of the option; the lists of `options`. */
  named: Named<MirrorConfig>[][];
}

/**
 * Finds the mirrors that each list names: by name, or by an address (a folder,
 * `file:`, `http:`, `gitea:…`) that joins the known ones. Throws `CliError`.
 */
export function selectMirrors(subject: Subject, lists: readonly (readonly string[])[]): Selection {
  const extra = new Map<string, MirrorConfig>();
  for (const text of lists.flat()) {
    if (subject.configs.some(({ name }) => name === text)) continue;
    if (!/[/\\:]|^\.+$/.test(text)) {
      const known = subject.configs.map(({ name }) => name).join(', ');
      throw new CliError(
        'USAGE',
        `no mirror is named '${text}': expected one of ${known}, or an address`,
        'a folder is named with a slash: ./stick or /media/stick',
      );
    }
    if (!extra.has(text)) extra.set(text, withToken(toMirrorConfig(text)));
  }
  const all = nameMirrors([...subject.configs, ...extra.values()]);
  const addresses = [...extra.keys()];
  const find = (text: string): Named<MirrorConfig> | [] => {
    const known = subject.configs.findIndex(({ name }) => name === text);
    return all[known === -1 ? subject.configs.length + addresses.indexOf(text) : known] ?? [];
  };
  return { all, named: lists.map((list) => list.flatMap(find)) };
}

function withToken(config: MirrorConfig): MirrorConfig {
  return config.type === 'gitea' ? { ...config, token: { env: TOKEN_VARIABLE } } : config;
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
