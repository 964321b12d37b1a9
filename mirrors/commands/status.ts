/** `mirrors status`: what each mirror is like, seen as a stranger sees it. */
import { type Command, formatDuration, formatTable } from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import { type MirrorStatus, readStatus, type Status } from '../status.ts';
import { findSubject, SUBJECT_OPTIONS } from './subject.ts';

export const status: Command = {
  name: 'status',
  summary: 'show which mirrors are live, current and complete',
  options: SUBJECT_OPTIONS,
  details: [
    'A mirror that is down or lags is a row. Exit code 0: all are current and complete; 4: not all,',
    'but a majority; 1: not even that.',
  ],
  async run(context) {
    const subject = await findSubject(context);
    const found = await readStatus(subject.mirrors, subject);
    context.result(toData(found), toLines(found));
    return exitCodeOf(found);
  },
};

function exitCodeOf({ rows }: Status): ExitCode {
  const good = rows.filter((row) => row.good).length;
  if (good === rows.length) return ExitCode.done;
  return good > rows.length / 2 ? ExitCode.partial : ExitCode.failed;
}

function toData({ rows, best, equivocation }: Status): unknown {
  return {
    newest: best === undefined ? null : { version: best.version, sequence: best.sequence },
    equivocation,
    mirrors: rows.map(({ problem, ...row }) => ({
      ...row,
      problem: problem === undefined ? null : { ...problem },
    })),
  };
}

function toLines({ rows, best, equivocation }: Status): string[] {
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
  const newest =
    best === undefined
      ? 'no mirror has a valid release to compare with'
      : `newest: ${best.version} (sequence ${best.sequence})`;
  const more = [...alarm, ...problems];
  return [...lines, '', newest, ...(more.length === 0 ? [] : ['', ...more])];
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
