/** The shape of a command, and the errors of using one wrongly. */
import { ExitCode, OtaError } from '@landfall/errors';

/** One option of a command. `value` names the argument in `--help`; without it the option is a flag. */
export interface OptionSpec {
  value?: string;
  short?: string;
  multiple?: boolean;
  help: string;
}

/** What `run` gets. `values` holds only options that were given. */
export interface Context {
  readonly values: Readonly<Record<string, string | boolean | string[] | undefined>>;
  readonly positionals: readonly string[];
  readonly json: boolean;
  /** Prints the result: `human` as lines, or `data` as JSON when `--json` was given. */
  result(data: unknown, human: string | readonly string[]): void;
  /** A line of progress or a warning, to standard error; nothing with `--json`. */
  note(line: string): void;
  /**
   * A line that is drawn over the one before it, and is gone with the next note
   * or `undefined`. False where nobody would see it: no terminal, or `--json`.
   */
  live(line: string | undefined): boolean;
  /** The value of a string option. Undefined when not given. */
  text(option: string): string | undefined;
  flag(option: string): boolean;
  list(option: string): string[];
  /** A whole number of at least `min`. Throws `CliError` USAGE. */
  count(option: string, min?: number): number | undefined;
}

/** One command of a program. It ends with exit code 0 when `run` returns none. */
export interface Command {
  /** One word: `ship`. */
  name: string;
  /** Arguments as shown in help: `[VERSION]`, `FILE…`. */
  args?: string;
  summary: string;
  /** More lines of help, below the options. */
  details?: readonly string[];
  /** How many positionals are taken: [at least, at most]. [0, 0] unless told. */
  arity?: readonly [number, number];
  options?: Readonly<Record<string, OptionSpec>>;
  run(context: Context): Promise<ExitCode | void> | ExitCode | void;
}

/**
 * How a program comes to a command when it is asked for. A command is a module
 * that is loaded then: a start loads what it runs, and nothing else.
 */
export type CommandLoader = () => Command | Promise<Command>;

/** One program: `release`, `mirrors` or `updater`. */
export interface Program {
  name: string;
  version: string;
  summary: string;
  /** Options that every command of the program takes. */
  options?: Readonly<Record<string, OptionSpec>>;
  /** By name, in the order of the help. */
  commands: Readonly<Record<string, CommandLoader>>;
}

type CliErrorCode = 'USAGE' | 'UNKNOWN_COMMAND';

/** Wrong usage of a command; exit code 2. */
export class CliError extends OtaError<CliErrorCode> {
  constructor(code: CliErrorCode, message: string, hint: string) {
    super(code, message, { hint, exit: ExitCode.usage });
  }
}
