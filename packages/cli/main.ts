/** Runs a program: parse, dispatch, print, exit. */
import { parseArgs } from 'node:util';
import { describeSystemError, ExitCode, messageOf, OtaError } from '@landfall/errors';
import { canDraw } from './terminal.ts';
import { CliError, type Command, type Context, type OptionSpec, type Program } from './command.ts';
import { commandHelp, programHelp } from './help.ts';

const COMMON: Readonly<Record<string, OptionSpec>> = {
  help: { short: 'h', help: 'show this help' },
  json: { help: 'print one JSON value instead of text' },
  debug: { help: 'show where an error came from' },
};

/**
 * Runs `program` with `argv` (without node and script) and resolves to the
 * exit code, having printed everything. Never rejects.
 */
export async function main(program: Program, argv: readonly string[]): Promise<ExitCode> {
  const options = optionsIn(argv);
  try {
    return await dispatch(program, argv);
  } catch (error) {
    printError(error, options.includes('--json'), options.includes('--debug'));
    return error instanceof OtaError ? error.exit : ExitCode.failed;
  }
}

/**
 * Runs `program` as this process: its arguments in, its exit code out. Nobody may listen
 * any more to what it prints (`| head`, a terminal that is gone), or the disk of its log may
 * be full: the work goes on. A result that was not taken whole is told, and ends what was done
 * as failed. Never rejects; not to be awaited at the top of a file, which could not be bundled
 * as CommonJS then.
 */
export async function runAsProcess(program: Program): Promise<void> {
  let isLost = false;
  process.stderr.on('error', () => {});
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    const isGone = error.code === 'EPIPE' || (error.code === 'EIO' && process.stdout.isTTY);
    if (isGone || isLost) return;
    isLost = true;
    const what = describeSystemError(error)?.what ?? messageOf(error);
    process.stderr.write(`error: cannot write the output: ${what}\n`);
  });
  // It may be known only after the work ended.
  process.once('exit', (code) => {
    if (isLost && code === ExitCode.done) process.exitCode = ExitCode.failed;
  });
  process.exitCode = await main(program, process.argv.slice(2));
}

async function dispatch(program: Program, argv: readonly string[]): Promise<ExitCode> {
  const [name, ...rest] = argv;
  if (name === '--version') {
    print(program.version);
    return ExitCode.done;
  }
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const topic = name === 'help' && rest[0]?.startsWith('-') === false ? rest[0] : undefined;
    if (topic === undefined) print(programHelp(program, await loadAll(program)));
    else {
      const command = await find(program, topic);
      print(commandHelp(program, command, optionsOf(program, command)));
    }
    return name === undefined ? ExitCode.usage : ExitCode.done;
  }
  const command = await find(program, name);
  const options = optionsOf(program, command);
  const given = optionsIn(rest);
  if (given.includes('--help') || given.includes('-h')) {
    print(commandHelp(program, command, options));
    return ExitCode.done;
  }
  const context = parse(program, command, options, rest);
  return (await command.run(context)) ?? ExitCode.done;
}

/** What comes after `--` is none, whatever it looks like. */
function optionsIn(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return end === -1 ? argv : argv.slice(0, end);
}

/** Throws `CliError` UNKNOWN_COMMAND. */
async function find({ commands, name: tool }: Program, name: string): Promise<Command> {
  const command = Object.hasOwn(commands, name) ? await commands[name]?.() : undefined;
  if (command !== undefined) return command;
  const known = Object.keys(commands).join(', ');
  throw new CliError(
    'UNKNOWN_COMMAND',
    `unknown command '${name}'`,
    `expected one of: ${known}; see '${tool} --help'`,
  );
}

async function loadAll({ commands }: Program): Promise<Command[]> {
  return Promise.all(Object.values(commands).map(async (load) => load()));
}

function optionsOf(program: Program, command: Command): Record<string, OptionSpec> {
  return { ...command.options, ...program.options, ...COMMON };
}

function parse(
  program: Program,
  command: Command,
  options: Record<string, OptionSpec>,
  argv: string[],
): Context {
  const hint = `see '${program.name} ${command.name} --help'`;
  const config = Object.fromEntries(
    Object.entries(options).map(([key, spec]) => [
      key,
      {
        type: spec.value === undefined ? ('boolean' as const) : ('string' as const),
        ...(spec.short === undefined ? {} : { short: spec.short }),
        multiple: spec.multiple ?? false,
      },
    ]),
  );
  let parsed;
  try {
    parsed = parseArgs({ args: argv, options: config, allowPositionals: true, strict: true });
  } catch (error) {
    throw new CliError('USAGE', firstSentence(messageOf(error)), hint);
  }
  const { positionals } = parsed;
  const values: Context['values'] = parsed.values as Context['values'];
  const [least, most] = command.arity ?? [0, 0];
  if (positionals.length < least || positionals.length > most) {
    const expected = command.args ?? 'no arguments';
    throw new CliError(
      'USAGE',
      `expected ${expected}, found ${positionals.length} arguments`,
      hint,
    );
  }
  return makeContext(values, positionals, hint);
}

function makeContext(values: Context['values'], positionals: string[], hint: string): Context {
  const json = values['json'] === true;
  const text = (option: string): string | undefined => {
    const value = values[option];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    values,
    positionals,
    json,
    text,
    flag: (option) => values[option] === true,
    list: (option) => {
      const value = values[option];
      return Array.isArray(value) ? value.map(String) : [];
    },
    count: (option, min = 1) => {
      const value = text(option);
      if (value === undefined) return undefined;
      const number = Number(value);
      if (!/^\d+$/.test(value) || number < min || !Number.isSafeInteger(number)) {
        throw new CliError(
          'USAGE',
          `--${option}: expected a whole number of at least ${min}, found '${value}'`,
          hint,
        );
      }
      return number;
    },
    note: (line) => {
      drawLine(undefined);
      if (!json) process.stderr.write(`${line}\n`);
    },
    live: (line) => !json && drawLine(line),
    result: (data, human) => {
      drawLine(undefined);
      if (json) print(JSON.stringify(data, null, 2));
      else if (human.length > 0) print(typeof human === 'string' ? human : human.join('\n'));
    },
  };
}

let isDrawn = false;

/** Draws `line` over what was drawn before, on a terminal that can. */
function drawLine(line: string | undefined): boolean {
  const { columns } = process.stderr;
  if (!canDraw(process.stderr) || process.env['TERM'] === 'dumb') return false;
  if (isDrawn || line !== undefined) {
    process.stderr.write(`\r\u001B[K${line?.slice(0, columns - 1) ?? ''}`);
  }
  isDrawn = line !== undefined;
  return true;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Node's own messages explain themselves at length after the first sentence. */
function firstSentence(message: string): string {
  return message.split('. ')[0]?.replace(/^./, (first) => first.toLowerCase()) ?? message;
}

function printError(error: unknown, json: boolean, debug: boolean): void {
  drawLine(undefined);
  const system = error instanceof OtaError ? undefined : describeSystemError(error);
  const code = error instanceof OtaError ? error.code : 'INTERNAL';
  const message = system === undefined ? messageOf(error) : `${system.what}: ${messageOf(error)}`;
  const hint =
    (error instanceof OtaError ? error.hint : system?.hint) ??
    (error instanceof OtaError
      ? undefined
      : 'this is not expected; run it again with --debug and report what it prints');
  if (json) print(JSON.stringify({ error: { code, message, hint } }, null, 2));
  else process.stderr.write(`error: ${message}\n${hint === undefined ? '' : `  hint: ${hint}\n`}`);
  if (debug) process.stderr.write(`${inspectCauses(error)}\n`);
}

function inspectCauses(error: unknown): string {
  const lines: string[] = [];
  for (let each: unknown = error; each instanceof Error; each = each.cause) {
    lines.push(each.stack ?? each.message);
  }
  return lines.join('\ncaused by: ');
}
