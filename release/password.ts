/**
 * Passwords of secret keys: from `LANDFALL_KEY_PASSWORD`, from the file that
 * `LANDFALL_KEY_PASSWORD_FILE` names, or typed on a terminal. Never from an
 * argument, never shown, never logged.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeSystemError, ExitCode, messageOf, systemCode } from '@landfall/errors';
import { ReleaseError } from './errors.ts';

const FROM_ENVIRONMENT = 'LANDFALL_KEY_PASSWORD';
const FROM_FILE = 'LANDFALL_KEY_PASSWORD_FILE';
/** minisign takes no longer ones. */
const MAX_PASSWORD_FILE_BYTES = 1024;
/** So long a pipe is waited for: whoever writes may be asking a person. */
const PIPE_WAIT_MS = 120_000;

/** What pipes gave, by their names: they give it once, and several keys may need it. */
const fromPipes = new Map<string, string>();

/** Names that commands we start must not inherit. */
export const SECRET_VARIABLES: readonly string[] = [FROM_ENVIRONMENT, FROM_FILE];

/** The file that holds the password, where one is named. */
export function givenPasswordFile(
  environment: NodeJS.ProcessEnv = process.env,
): string | undefined {
  return environment[FROM_FILE];
}

/**
 * The password given without asking, or undefined. Throws `ReleaseError` KEY_MISSING for a file
 * that cannot be read; a pipe, as of `<(pass show key)`, is waited for until its writer is done.
 */
export async function givenPassword(
  environment: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  const direct = environment[FROM_ENVIRONMENT];
  if (direct !== undefined) return direct;
  const file = givenPasswordFile(environment);
  if (file === undefined) return undefined;
  const known = fromPipes.get(file);
  if (known !== undefined) return known;
  let fd: number | undefined;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    refuseShared(fd, file);
    const bytes = Buffer.alloc(MAX_PASSWORD_FILE_BYTES);
    const text = bytes.toString('utf8', 0, await readAll(fd, bytes)).replace(/\r?\n$/, '');
    bytes.fill(0);
    if (fstatSync(fd).isFIFO()) fromPipes.set(file, text);
    return text;
  } catch (error) {
    if (error instanceof ReleaseError) throw error;
    const system = describeSystemError(error);
    throw new ReleaseError(
      'KEY_MISSING',
      `cannot read the password file '${file}': ${system?.what ?? messageOf(error)}`,
      { cause: error, hint: `check ${FROM_FILE}` },
    );
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Fills `bytes` from where the descriptor stands; how many there were. */
async function readAll(fd: number, bytes: Uint8Array): Promise<number> {
  const end = Date.now() + PIPE_WAIT_MS;
  let stopped = false;
  const stop = (): void => void (stopped = true);
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    let size = 0;
    while (size < bytes.length) {
      const read = readSome(fd, bytes.subarray(size));
      if (read === 0) break;
      size += read ?? 0;
      if (read !== undefined) continue;
      if (stopped) throw interrupted();
      if (Date.now() > end) throw new Error(`nothing came for ${PIPE_WAIT_MS / 1000} s`);
      await sleep(20);
    }
    return size;
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

/** Undefined where the writer of a pipe has not written yet. */
function readSome(fd: number, bytes: Uint8Array): number | undefined {
  try {
    return readSync(fd, bytes, 0, bytes.length, null);
  } catch (error) {
    if (systemCode(error) === 'EAGAIN') return undefined;
    throw error;
  }
}

function interrupted(): ReleaseError {
  const what = 'interrupted while waiting for a password';
  return new ReleaseError('INTERRUPTED', what, { exit: ExitCode.failed });
}

/** A password that others can read protects nothing. Looked at on the descriptor that is read. */
function refuseShared(fd: number, file: string): void {
  const mode = fstatSync(fd).mode & 0o777;
  if ((mode & 0o077) === 0) return;
  throw new ReleaseError(
    'KEY_MISSING',
    `password file '${file}': expected mode 0600, found 0${mode.toString(8)}: others than its owner can use it`,
    { hint: `chmod 600 '${file}', and think about whether someone has read it already` },
  );
}

/** Whether somebody is there to be asked. */
export function canPrompt(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/** The given password, or one typed now. Throws `ReleaseError` KEY_MISSING when there is neither. */
export async function passwordFor(key: string): Promise<string> {
  const given = await givenPassword();
  if (given !== undefined) return given;
  if (canPrompt()) return promptHidden(`password of '${key}': `);
  throw new ReleaseError(
    'KEY_MISSING',
    `secret key '${key}' is encrypted: expected its password, found none and no terminal to ask on`,
    { hint: `set ${FROM_ENVIRONMENT}, or ${FROM_FILE} to the path of a file that holds it` },
  );
}

/** Asks twice for a new password. Throws `ReleaseError` KEY_MISSING when they differ. */
export async function promptNewPassword(what: string): Promise<string> {
  const first = await promptHidden(`new password of ${what}: `);
  const second = await promptHidden('once more: ');
  if (first === second) return first;
  throw new ReleaseError('KEY_MISSING', 'the two passwords differ', { hint: 'run it again' });
}

/** Reads one line from the terminal without showing it. */
async function promptHidden(question: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.resume();
  try {
    return await readLine(stdin);
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
}

/** Collects characters up to return. Control-C, control-D and signals give up. */
function readLine(stdin: NodeJS.ReadStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let typed = '';
    const finish = (act: () => void): void => {
      stdin.off('data', onData);
      process.off('SIGINT', giveUp).off('SIGTERM', giveUp);
      act();
    };
    const giveUp = (): void => finish(() => reject(interrupted()));
    const onData = (chunk: Buffer | string): void => {
      for (const character of chunk.toString()) {
        if (character === '\r' || character === '\n') return finish(() => resolve(typed));
        if (character === '\u0003' || character === '\u0004') {
          return giveUp();
        }
        typed =
          character === '\u007f' || character === '\b'
            ? typed.replace(/.$/su, '')
            : typed + character;
      }
    };
    stdin.on('data', onData);
    process.on('SIGINT', giveUp).on('SIGTERM', giveUp);
  });
}
