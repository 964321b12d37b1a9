/**
 * The table of mirrors as a part of a release's notes on a Gitea server, for
 * people who look there. What others wrote around it stays; written again, it
 * takes its own place. A crash leaves the old notes or the new ones.
 */
import { releaseTag } from '@landfall/manifest';
import type { GiteaConfig, Named } from './config.ts';
import { MirrorError } from './errors.ts';
import { GiteaApi } from './gitea-api.ts';
import { HttpClient } from './http.ts';
import { retrying } from './retry.ts';
import type { MirrorStatus, Status } from './status.ts';
import { readToken } from './token.ts';

const BEGIN = '<!-- landfall: mirrors -->';
const END = '<!-- landfall: end of mirrors -->';

/** The table in Markdown, between two marks that are not shown. */
export function describeMirrors({ rows, best }: Status, now: Date): string {
  const newest =
    best === undefined
      ? 'No mirror has a valid release.'
      : `Newest: ${best.version} (sequence ${best.sequence}), as of ${now.toISOString().slice(0, 16)}Z.`;
  const problems = rows.flatMap(({ problem }) =>
    problem === undefined ? [] : [`- ${escape(problem.message)}`],
  );
  return [
    BEGIN,
    '### Mirrors',
    '',
    '| mirror | version | sequence | artifacts | |',
    '| --- | --- | --- | --- | --- |',
    ...rows.map((row) => `| ${cellsOf(row).map(escape).join(' | ')} |`),
    '',
    newest,
    ...(problems.length === 0 ? [] : ['', ...problems]),
    END,
  ].join('\n');
}

function cellsOf({ name, version, sequence, assets, behindBy, good }: MirrorStatus): string[] {
  const behind = behindBy === null || behindBy === 0 ? 'not complete' : `behind by ${behindBy}`;
  return [
    name,
    version ?? '-',
    sequence === null ? '-' : String(sequence),
    assets === null ? '-' : `${assets.present}/${assets.total}`,
    good ? 'complete' : behind,
  ];
}

/** Text of mirrors as text: no table, link or tag of theirs. */
function escape(text: string): string {
  return text.replaceAll(/[\\`*_[\]<>|#!]/g, String.raw`\$&`).replaceAll(/\s+/g, ' ');
}

/** `notes` with `table` in the place of an earlier one, else at the end. */
export function withTable(notes: string, table: string): string {
  const [from, to] = [notes.indexOf(BEGIN), notes.indexOf(END)];
  if (from !== -1 && to > from) {
    return `${notes.slice(0, from)}${table}${notes.slice(to + END.length)}`;
  }
  return notes.trim() === '' ? table : `${notes.trimEnd()}\n\n${table}`;
}

/** A table of `describeMirrors`, its release, and where the token and proxies are looked up. */
export interface AnnounceOptions {
  version: string;
  table: string;
  /** Make the release's page when there is none. */
  create: boolean;
  env: NodeJS.ProcessEnv;
  signal?: AbortSignal;
}

/** Writes the table into the notes of `v<version>`; whether there was, or is now, such a release. Throws `MirrorError`. */
export async function announce(
  config: Named<GiteaConfig>,
  { version, table, create, env, signal }: AnnounceOptions,
): Promise<boolean> {
  const token = readToken(config, env);
  const base = config.url.replace(/\/+$/, '');
  const authorization = (): string => token.forApi();
  const client = new HttpClient({ mirror: config.name, base, authorization, ca: config.ca, env });
  const api = new GiteaApi(client, config.repository, token.reveal());
  const options = signal === undefined ? {} : { signal };
  const tag = releaseTag(version);
  // Each try looks first, so that it may be repeated after a lost answer.
  const write = async (): Promise<boolean> => {
    const there = await api.releaseByTag(tag, options);
    if (there !== undefined) {
      await api.editNotes(there.id, withTable(there.body ?? '', table), options);
      return true;
    }
    if (!create) return false;
    const { default_branch: target = 'main' } = await api.repository(options);
    const fields = { tag, target, notes: table, prerelease: version.includes('-'), draft: false };
    if ((await api.createRelease(fields, options)) !== undefined) return true;
    throw new MirrorError('REJECTED', config.name, `has a release '${tag}' that it does not show`, {
      hint: 'a draft, perhaps: publish it, or run this again when it is public',
    });
  };
  return retrying(write, {}, signal);
}
