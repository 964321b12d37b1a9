/** `mirrors prune --keep N`: removes the artifacts of versions that nobody needs any more. */
import { join } from 'node:path';
import { CliError, type Command, formatBytes, formatTable, interruptible } from '@landfall/cli';
import { ExitCode, OtaError } from '@landfall/errors';
import { compareVersions } from '@landfall/manifest';
import { TrustError } from '@landfall/trust';
import type { MirrorConfig, Named } from '../config.ts';
import type { Mirror, StoredRelease, WritableMirror } from '../mirror.ts';
import { openMirrors } from '../open.ts';
import { protect, type Protected, requireRight, versionsNamed } from '../prune.ts';
import { openScratchFolder } from '../scratch.ts';
import { refuseTornRoots } from '../served-roots.ts';
import { surveyMirrors } from '../survey.ts';
import { type Problem, toProblem } from '../sync/target.ts';
import { openWriter, selectMirrors } from './selection.ts';
import {
  CHANNELS_OPTION,
  channelsNamed,
  findSubject,
  type Subject,
  SUBJECT_OPTIONS,
} from './subject.ts';

/** `mirrors prune`: makes room on mirrors; what a node may still go back to stays. */
export const prune: Command = {
  name: 'prune',
  summary: 'remove artifacts of old versions that nothing refers to',
  options: {
    ...SUBJECT_OPTIONS,
    channel: CHANNELS_OPTION,
    keep: { value: 'N', help: 'keep the N newest versions of each mirror in any case; needed' },
    on: { value: 'MIRROR', multiple: true, help: 'on this mirror only; on all unless told' },
    'dry-run': { help: 'list what would be removed, and remove nothing' },
  },
  details: [
    'Never removed: a version that a manifest of any channel on any mirror names, the version before',
    'it where that is known, the N newest. A mirror whose manifests cannot all be read, or whose index',
    'is not right, is left as it is. Do not run it while a release is being shipped.',
    'Exit code 0: all were pruned; 4: some; 1: none; 3: two manifests of one sequence, nothing removed.',
  ],
  async run(context) {
    const keep = context.count('keep');
    if (keep === undefined) {
      throw new CliError('USAGE', 'expected --keep N, found none', "see 'mirrors prune --help'");
    }
    const given = await findSubject(context);
    const { all, named } = selectMirrors(given, [context.list('on')]);
    const [on = []] = named;
    const subject = { ...given, configs: all, mirrors: openMirrors(all) };
    const channels = channelsNamed(context, subject);
    const dryRun = context.flag('dry-run');
    return interruptible(async (signal) => {
      const folder = openScratchFolder('prune');
      try {
        await refuseEquivocation(subject, channels, signal);
        const scratch = join(folder.path, 'look.git');
        const known = await namedAnywhere(subject, { scratch, channels, signal });
        const rows: Row[] = [];
        for (const config of on.length > 0 ? on : subject.configs) {
          const row = await pruneOne(config, subject, known, { keep, dryRun, signal });
          if (row.problem === null) {
            for (const each of row.removed)
              context.note(`${row.name}: ${dryRun ? 'would remove' : 'removed'} ${each.version}`);
          }
          rows.push(row);
        }
        context.result({ dryRun, keep, mirrors: rows }, toLines(rows, dryRun));
        return exitCodeOf(rows);
      } finally {
        folder.remove();
      }
    });
  },
};

interface Row {
  name: string;
  removed: StoredRelease[];
  kept: { version: string; why: string }[];
  problem: Problem | null;
}

/** What all mirrors name together, and who could not tell. */
interface Known {
  named: Protected;
  problems: ReadonlyMap<string, Problem>;
}

async function refuseEquivocation(
  { mirrors, app, policy, roots }: Subject,
  channels: readonly (string | undefined)[],
  signal: AbortSignal,
): Promise<void> {
  if (roots !== undefined) refuseTornRoots(roots);
  for (const channel of channels) {
    const { equivocation } = await surveyMirrors(mirrors, { app, channel, policy, signal });
    if (equivocation === undefined) continue;
    const names = equivocation.map(({ mirror }) => `'${mirror.name}'`).join(' and ');
    throw new TrustError('EQUIVOCATION', `${names} serve different manifests of one sequence`, {
      hint: "remove nothing before you know which is right: 'mirrors audit' tells more",
    });
  }
}

async function namedAnywhere(
  { mirrors, configs }: Subject,
  options: Parameters<typeof versionsNamed>[2],
): Promise<Known> {
  const named = new Map<string, string>();
  const problems = new Map<string, Problem>();
  for (const [index, mirror] of mirrors.entries()) {
    const config = configs[index];
    if (config === undefined) continue;
    try {
      for (const [version, why] of await versionsNamed(mirror, config, options)) {
        named.set(version, named.get(version) ?? `${why} at '${mirror.name}'`);
      }
    } catch (error) {
      options.signal?.throwIfAborted();
      problems.set(mirror.name, toProblem(error));
    }
  }
  return { named, problems };
}

async function pruneOne(
  config: Named<MirrorConfig>,
  subject: Subject,
  { named, problems }: Known,
  { keep, dryRun, signal }: { keep: number; dryRun: boolean; signal: AbortSignal },
): Promise<Row> {
  const row: Row = { name: config.name, removed: [], kept: [], problem: null };
  const problem = problems.get(config.name);
  if (problem !== undefined) return { ...row, problem };
  try {
    const { reader, writer } = openBoth(config);
    await requireRight(reader, subject, signal);
    await writer.checkWritable({ signal });
    const stored = (await writer.listReleases({ signal })).toSorted((a, b) =>
      compareVersions(a.version, b.version),
    );
    const kept = protect(stored, named, keep);
    row.kept = [...kept].map(([version, why]) => ({ version, why }));
    for (const release of stored) {
      if (kept.has(release.version)) continue;
      if (!dryRun) await writer.removeArtifacts(release.version, { signal });
      row.removed.push(release);
    }
    return row;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof OtaError)) throw error;
    return { ...row, problem: toProblem(error) };
  }
}

function openBoth(config: Named<MirrorConfig>): { reader: Mirror; writer: WritableMirror } {
  const writer = openWriter(config);
  const [reader = writer] = openMirrors([config]);
  return { reader, writer };
}

function bytesOf(releases: readonly StoredRelease[]): number {
  return releases.flatMap(({ files }) => files).reduce((sum, { size }) => sum + size, 0);
}

function toLines(rows: readonly Row[], dryRun: boolean): string[] {
  const header = ['NAME', dryRun ? 'WOULD REMOVE' : 'REMOVED', 'BYTES', 'KEPT'];
  const cells = rows.map(({ name, removed, kept, problem }) => [
    name,
    problem === null ? String(removed.length) : '-',
    formatBytes(bytesOf(removed)),
    kept.map(({ version }) => version).join(', ') || '-',
  ]);
  const listed = !dryRun
    ? []
    : rows.flatMap(({ name, removed, kept }) => [
        ...removed.flatMap(({ version, files }) =>
          files.map(
            ({ file, size }) => `${name}: would remove ${version}: ${file} (${formatBytes(size)})`,
          ),
        ),
        ...kept.map(({ version, why }) => `${name}: keeps ${version}: ${why}`),
      ]);
  const problems = rows.flatMap(({ problem }) =>
    problem === null ? [] : [problem.message, `  hint: ${problem.hint ?? 'none'}`],
  );
  return [
    ...formatTable(header, cells),
    ...(listed.length === 0 ? [] : ['', ...listed]),
    ...(problems.length === 0 ? [] : ['', ...problems]),
  ];
}

function exitCodeOf(rows: readonly Row[]): ExitCode {
  const good = rows.filter(({ problem }) => problem === null).length;
  if (good === rows.length) return ExitCode.done;
  return good > 0 ? ExitCode.partial : ExitCode.failed;
}
