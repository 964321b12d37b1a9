/** `mirrors sync`: completes or rebuilds mirrors from the others, also to and from a USB stick. */
import { join } from 'node:path';
import {
  CliError,
  type Command,
  type Context,
  formatBytes,
  formatTable,
  interruptible,
} from '@landfall/cli';
import { ExitCode, OtaError } from '@landfall/errors';
import type { MirrorConfig, Named } from '../config.ts';
import { readersBranch } from '../git-history.ts';
import { openMirrors } from '../open.ts';
import { openScratchFolder } from '../scratch.ts';
import { syncMirrors, type SyncResult } from '../sync/sync.ts';
import { type Problem, type Target, toProblem } from '../sync/target.ts';
import { Bandwidth, parseBandwidth } from '../throttle.ts';
import { allChannels, openWriter, selectMirrors } from './selection.ts';
import {
  CHANNELS_OPTION,
  channelsNamed,
  findSubject,
  SUBJECT_OPTIONS,
  withRoots,
} from './subject.ts';

/** `mirrors sync`: completes mirrors from others; run again, it finishes what was cut off. */
export const sync: Command = {
  name: 'sync',
  summary: 'complete mirrors that lag, or rebuild one, from the others',
  options: {
    ...SUBJECT_OPTIONS,
    channel: CHANNELS_OPTION,
    from: { value: 'MIRROR', multiple: true, help: 'take from this one only; all unless told' },
    to: { value: 'MIRROR', multiple: true, help: 'complete this one only; all unless told' },
    bandwidth: { value: 'RATE', help: 'read and send at most so many bytes a second: 500K, 2M' },
    'dry-run': { help: 'say what would be sent, and send nothing' },
  },
  details: [
    'MIRROR is a name of the configuration, or an address: a folder such as /media/stick, http(s):,',
    'file:, or gitea:https://host/owner/name (its token is taken from GITEA_TOKEN). Everything is',
    'verified on the way and read back; what is there and right is not sent again, so that a run',
    'that was cut off is finished by the next. Exit code 0: all are complete; 4: some; 1: none.',
    '3: two mirrors serve different manifests of one sequence, and nothing was copied; or an artifact',
    'was refused by the mode gate, or is not all that its manifest says of it, and was not.',
  ],
  async run(context) {
    const bandwidth = readBandwidth(context);
    const given = await findSubject(context);
    const lists = [context.list('from'), context.list('to')];
    const { all, named } = selectMirrors(given, lists);
    const [from = [], to = []] = named;
    const sources = from.length > 0 ? from : all.filter((each) => !to.includes(each));
    const targets = to.length > 0 ? to : all.filter((each) => !from.includes(each));
    if (sources.length === 0 || targets.length === 0) {
      throw new CliError(
        'USAGE',
        'nothing to copy: the same mirror is source and target',
        "see 'mirrors sync --help'",
      );
    }
    const subject = await withRoots(given, openMirrors([...new Set([...sources, ...targets])]));
    return interruptible(async (signal) => {
      const folder = openScratchFolder('sync');
      const scratch = folder.path;
      const dryRun = context.flag('dry-run');
      try {
        const { open, refused } = openTargets(targets);
        const configs = [...new Set([...sources, ...targets])];
        const result = await syncMirrors({
          ...subject,
          sources: openMirrors(sources),
          targets: open,
          channels: await allChannels(
            channelsNamed(context, subject),
            configs,
            join(scratch, 'look.git'),
            signal,
          ),
          branches: sources.flatMap((each) =>
            each.type === 'gitea' ? [{ indexBranch: readersBranch(each) }] : [],
          ),
          scratch,
          dryRun,
          ...(bandwidth === undefined ? {} : { bandwidth: new Bandwidth(bandwidth) }),
          onLine: (line) => context.note(line),
          signal,
        });
        const rows = [...result.targets.map((target) => toRow(target, dryRun)), ...refused];
        context.result({ dryRun, ...dataOf(result), mirrors: rows }, toLines(result, rows));
        return exitCodeOf(rows);
      } finally {
        folder.remove();
      }
    });
  },
};

/** One target as it is reported. */
interface Row {
  name: string;
  /** `right`: nothing was to be done; `completed`; `lacks`: a dry run says what; `failed`. */
  state: 'right' | 'completed' | 'lacks' | 'failed';
  kept: number;
  sent: number;
  lacking: Target['lacking'];
  /** Channels whose index was (or would be) written, for people. */
  index: string[];
  problem: Problem | null;
}

function readBandwidth(context: Context): number | undefined {
  const text = context.text('bandwidth');
  const bandwidth = text === undefined ? undefined : parseBandwidth(text);
  if (text === undefined || bandwidth !== undefined) return bandwidth;
  throw new CliError(
    'USAGE',
    `--bandwidth: expected bytes a second such as 500K or 2M, found '${text}'`,
    "see 'mirrors sync --help'",
  );
}

function openTargets(configs: readonly Named<MirrorConfig>[]): {
  open: { reader: Target['reader']; writer: Target['writer'] }[];
  refused: Row[];
} {
  const open: { reader: Target['reader']; writer: Target['writer'] }[] = [];
  const refused: Row[] = [];
  for (const config of configs) {
    try {
      const writer = openWriter(config);
      const [reader = writer] = openMirrors([config]);
      open.push({ reader, writer });
    } catch (error) {
      if (!(error instanceof OtaError)) throw error;
      const nothing = { kept: 0, sent: 0, lacking: [], index: [] };
      refused.push({ name: config.name, state: 'failed', ...nothing, problem: toProblem(error) });
    }
  }
  return { open, refused };
}

function toRow(target: Target, dryRun: boolean): Row {
  const { name, kept, sent, lacking, staleIn, problem } = target;
  const done = dryRun ? 'lacks' : 'completed';
  const state = problem === undefined ? (target.wasRight ? 'right' : done) : 'failed';
  return { name, state, kept, sent, lacking, index: staleIn, problem: problem ?? null };
}

function dataOf({ goals, without }: SyncResult): Record<string, unknown> {
  return { channels: goals, without };
}

function toLines({ goals, without }: SyncResult, rows: readonly Row[]): string[] {
  const header = ['NAME', 'STATE', 'KEPT', 'SENT', 'LACKED', 'INDEX'];
  const cells = rows.map(({ name, state, kept, sent, lacking, index }) => [
    name,
    state,
    String(kept),
    String(sent),
    String(lacking.length),
    // Of one that failed nothing is known, or not all was written.
    state === 'failed' ? '-' : index.length === 0 ? 'current' : index.join(', '),
  ]);
  const lacking = rows.flatMap(({ name, state, lacking: files }) =>
    state !== 'lacks'
      ? []
      : files.map(
          (each) => `${name} lacks '${each.file}' (${formatBytes(each.size)}): ${each.why}`,
        ),
  );
  const problems = rows.flatMap(({ problem }) =>
    problem === null ? [] : [problem.message, `  hint: ${problem.hint ?? 'none'}`],
  );
  return [
    ...goals.map(
      ({ channel, version, sequence }) =>
        `${channel ?? 'default channel'}: ${version} (sequence ${sequence})`,
    ),
    ...without.map((each) => `${each}: no source serves it validly, left as it is`),
    '',
    ...formatTable(header, cells),
    ...(lacking.length === 0 ? [] : ['', ...lacking]),
    ...(problems.length === 0 ? [] : ['', ...problems]),
  ];
}

/** What is said of an artifact that no node would take, and of a manifest that nobody should. */
const GATE_CODES = new Set(['ARCHIVE_REFUSED', 'MANIFEST_CONTRADICTION']);

function exitCodeOf(rows: readonly Row[]): ExitCode {
  if (rows.some(({ problem }) => problem !== null && GATE_CODES.has(problem.code))) {
    return ExitCode.refused;
  }
  const good = rows.filter(({ state }) => state !== 'failed').length;
  if (good === rows.length) return ExitCode.done;
  return good > 0 ? ExitCode.partial : ExitCode.failed;
}
