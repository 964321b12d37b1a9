/**
 * What the three commands have in common: option parsing, `--help`, `--json`,
 * exit codes, and errors as one line and a hint. A command is data plus a
 * `run` function; nothing here knows what any command does.
 *
 * Output rules: the result goes to standard output, progress and warnings and
 * errors to standard error. With `--json`, standard output is one JSON value,
 * for an error `{"error":{"code","message","hint"}}`. A stack is shown only
 * with `--debug`.
 */
export { main, runAsProcess } from './main.ts';
export { type Command, type Context, type OptionSpec, type Program } from './command.ts';
export { CliError } from './command.ts';
export { formatBytes, formatDuration, formatTable, parseDuration, parseTime } from './format.ts';
export { MAX_TIMER_MS, timerMs } from './timer.ts';
export { canDraw } from './terminal.ts';
export { Transfer } from './transfer.ts';
export { crashPoint } from './crash-point.ts';
export { interruptible } from './interrupt.ts';
export { childEnvironment, withholdVariables } from './child-environment.ts';
