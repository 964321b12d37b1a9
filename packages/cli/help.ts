/** Help texts, laid out in columns. */
import type { Command, OptionSpec, Program } from './command.ts';

/** What `--help` prints when no command is named: a line for each command. */
export function programHelp(program: Program, commands: readonly Command[]): string {
  const rows = commands.map((command): [string, string] => [
    [command.name, command.args].filter(Boolean).join(' '),
    command.summary,
  ]);
  return [
    `${program.name}: ${program.summary}`,
    '',
    `usage: ${program.name} COMMAND [options]`,
    '',
    ...columns(rows),
    '',
    `'${program.name} COMMAND --help' tells more. Exit codes: 0 done, 1 failed, 2 wrong usage or`,
    'configuration, 3 refused by a gate, 4 done on enough mirrors but not all.',
  ].join('\n');
}

/** What `COMMAND --help` prints. `options`: all that are listed, the shared ones among them. */
export function commandHelp(
  program: Program,
  command: Command,
  options: Record<string, OptionSpec>,
): string {
  const rows = Object.entries(options).map(([name, spec]): [string, string] => [
    `${spec.short === undefined ? '' : `-${spec.short}, `}--${name}${spec.value === undefined ? '' : ` ${spec.value}`}`,
    spec.help,
  ]);
  const usage = [program.name, command.name, '[options]', command.args].filter(Boolean).join(' ');
  const details = command.details === undefined ? [] : ['', ...command.details];
  return [command.summary, '', `usage: ${usage}`, '', ...columns(rows), ...details].join('\n');
}

function columns(rows: readonly [string, string][]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
