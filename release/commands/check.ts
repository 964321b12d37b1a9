/** `release check FILE…`: the gate on any archive. */
import { type Command, formatBytes } from '@landfall/cli';
import { ArchiveError, gateArchive } from '@landfall/archive';
import { ExitCode, OtaError } from '@landfall/errors';
import { rootModeOf } from '../steps/root-mode.ts';
import { compareReaders } from '../steps/second-reader.ts';

interface Checked {
  file: string;
  ok: boolean;
  /** The root directory's mode as `ls` shows it; undefined when there is none to be seen. */
  root?: string;
  entries?: number;
  size?: number;
  digest?: string;
  problem?: string;
  hint?: string;
}

/** `release check FILE…`: gates any archive; exit code 3 when one is refused, 1 when one fails. */
export const checkCommand: Command = {
  name: 'check',
  args: 'FILE…',
  arity: [1, 1000],
  summary: 'pass archives (.tar, .tar.gz, .tar.zst) through the gate',
  details: [
    'Two readers must agree. An archive whose root is not drwxr-xr-x is refused: exit code 3.',
  ],
  async run(context) {
    const results: { shown: Checked; exit: ExitCode }[] = [];
    for (const file of context.positionals) results.push(await check(file));
    context.result(
      results.map(({ shown }) => shown),
      results.map(({ shown, exit }) => describe(shown, exit)),
    );
    const hints = new Set(results.flatMap(({ shown }) => shown.hint ?? []));
    for (const hint of hints) context.note(`  hint: ${hint}`);
    const exits = results.map(({ exit }) => exit);
    if (exits.includes(ExitCode.refused)) return ExitCode.refused;
    return exits.includes(ExitCode.failed) ? ExitCode.failed : ExitCode.done;
  },
};

async function check(file: string): Promise<{ shown: Checked; exit: ExitCode }> {
  try {
    const report = await gateArchive(file);
    await compareReaders(file, report);
    const { root, tree } = report;
    return { shown: { file, ok: true, root, ...tree }, exit: ExitCode.done };
  } catch (error) {
    if (!(error instanceof OtaError)) throw error;
    const unreadable = error instanceof ArchiveError && error.code === 'ARCHIVE_IO';
    const root = unreadable ? undefined : await rootModeOf(file);
    const shown = {
      file,
      ok: false,
      ...(root === undefined ? {} : { root }),
      problem: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    };
    return { shown, exit: error.exit };
  }
}

function describe(checked: Checked, exit: ExitCode): string {
  const { file, root = 'no root to be seen' } = checked;
  if (checked.problem !== undefined) {
    return `${exit === ExitCode.refused ? 'refused' : 'failed '}  ${root}  ${file}: ${checked.problem}`;
  }
  return `ok       ${root}  ${file}: ${checked.entries} entries, ${formatBytes(checked.size ?? 0)}, tree digest ${checked.digest}`;
}
