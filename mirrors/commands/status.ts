/** `mirrors status`: what each mirror is like, seen as a stranger sees it. */
import {
  CliError,
  type Command,
  type Context,
  formatDuration,
  formatTable,
  interruptible,
  parseDuration,
} from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import { type MirrorStatus, readStatus, type Status } from '../status.ts';
import { findSubject, SUBJECT_OPTIONS } from './subject.ts';
import { type View, watch } from './watch.ts';

const DEFAULT_EVERY = '5s';

/** `mirrors status`: which mirrors are live, current and complete; downloads no artifact. */
export const status: Command = {
  name: 'status',
  summary: 'show which mirrors are live, current and complete',
  options: {
    ...SUBJECT_OPTIONS,
    watch: { help: 'look again and again, until Ctrl-C' },
    every: { value: 'TIME', help: `with --watch: how often; ${DEFAULT_EVERY} unless told` },
  },
  details: [
    'A mirror that is down or lags is a row. Exit code 0: all are current and complete; 4: not all,',
    'but a majority; 1: not even that.',
  ],
  async run(context) {
    const everyMs = readEvery(context);
    const subject = await findSubject(context);
    if (context.flag('watch')) {
      const look = async (signal: AbortSignal): Promise<View> => {
        const found = await readStatus(subject.mirrors, { ...subject, signal });
        return { data: toData(found), lines: toLines(found), exit: exitCodeOf(found) };
      };
      return interruptible((signal) => watch(context, look, everyMs, signal));
    }
    const found = await readStatus(subject.mirrors, subject);
    context.result(toData(found), toLines(found));
    return exitCodeOf(found);
  },
};

function readEvery(context: Context): number {
  const text = context.text('every') ?? DEFAULT_EVERY;
  const everyMs = parseDuration(text);
  if (everyMs !== undefined && everyMs > 0) return everyMs;
  throw new CliError(
    'USAGE',
    `--every: expected a duration such as 5s, found '${text}'`,
    "see 'mirrors status --help'",
  );
}

function exitCodeOf({ rows, tornRoots }: Status): ExitCode {
  const good = rows.filter((row) => row.good).length;
  if (good === rows.length && tornRoots === undefined) return ExitCode.done;
  return good > rows.length / 2 ? ExitCode.partial : ExitCode.failed;
}

function toData({ rows, best, equivocation, tornRoots, halted }: Status): Record<string, unknown> {
  return {
    newest: best === undefined ? null : { version: best.version, sequence: best.sequence },
    equivocation,
    tornRoots: tornRoots ?? null,
    halted,
    mirrors: rows.map(({ problem, ...row }) => ({
      ...row,
      problem: problem === undefined ? null : { ...problem },
    })),
  };
}

function toLines({ rows, best, equivocation, tornRoots, halted }: Status): string[] {
  const header = ['NAME', 'ADDRESS', 'VERSION', 'SEQUENCE', 'BEHIND BY', 'ASSETS', 'REACHABLE IN'];
  const lines = formatTable(header, rows.map(toCells));
  const problems = rows.flatMap(({ problem }) =>
    problem === undefined ? [] : [problem.message, `  hint: ${problem.hint ?? 'none'}`],
  );
  const alarm =
    equivocation.length === 0
      ? []
      : [
          `ALARM: ${equivocation.join(' and ')} serve different manifests of one sequence, all validly signed`,
          '  hint: a release key may be in wrong hands; publish nothing before you know',
        ];
  const tornLines =
    tornRoots === undefined
      ? []
      : [
          `ALARM: ${tornRoots}`,
          '  hint: root keys may be in wrong hands; publish nothing before you know',
        ];
  const newest =
    best === undefined
      ? 'no mirror has a valid release to compare with'
      : `newest: ${best.version} (sequence ${best.sequence})`;
  const more = [...alarm, ...tornLines, ...problems];
  const stopped = halted.map(({ version, reason }) => `halted: ${version}: ${reason}`);
  return [...lines, '', newest, ...stopped, ...(more.length === 0 ? [] : ['', ...more])];
}

function toCells(row: MirrorStatus): string[] {
  const { assets } = row;
  return [
    row.name,
    row.address,
    row.version ?? '-',
    row.sequence === null ? '-' : String(row.sequence),
    row.behindBy === null ? '-' : String(row.behindBy),
    assets === null ? '-' : `${assets.present}/${assets.total}`,
    row.reachableInMs === null ? 'not reachable' : formatDuration(row.reachableInMs),
  ];
}
