/** `mirrors serve DIR`: serves a directory mirror until it is told to stop. */
import { resolve } from 'node:path';
import { CliError, type Command } from '@landfall/cli';
import { describeSystemError, messageOf, systemCode } from '@landfall/errors';
import { MirrorError } from '../errors.ts';
import { isMirrorFolder } from '../folder.ts';
import { requireNoFile } from './init.ts';
import { MARKER_FILE } from '../layout.ts';
import { type ServedDirectory, serveDirectory } from '../serve.ts';

const DEFAULT_LISTEN = '127.0.0.1:8080';

/** `mirrors serve DIR`: serves a folder's files over HTTP, to everybody, until it is stopped. */
export const serve: Command = {
  name: 'serve',
  args: 'DIR',
  arity: [1, 1],
  summary: 'serve a directory mirror over HTTP until stopped',
  options: {
    listen: {
      value: 'HOST:PORT',
      help: `where to listen; ${DEFAULT_LISTEN} unless told, port 0 for any`,
    },
  },
  details: [
    'Only files are served, no listings; readers need no login. Stop it with SIGTERM or Ctrl-C.',
  ],
  async run(context) {
    const directory = resolve(context.positionals[0] ?? '.');
    const listen = parseListen(context.text('listen') ?? DEFAULT_LISTEN);
    const served = await start(directory, listen);
    if (!(await isMirrorFolder(directory))) {
      context.note(
        `warning: '${directory}' has no '${MARKER_FILE}': not mounted, or no mirror yet?`,
      );
    }
    // Before the address is told: whoever reads it may stop us at once.
    const stopped = untilStopped();
    context.result(
      { address: served.address, directory },
      `serving '${directory}' at ${served.address}`,
    );
    await stopped;
    await served.close();
  },
};

async function start(
  directory: string,
  listen: { host: string; port: number },
): Promise<ServedDirectory> {
  requireNoFile(directory);
  try {
    return await serveDirectory(directory, listen);
  } catch (error) {
    const at = `${listen.host}:${listen.port}`;
    if (systemCode(error) === 'EADDRINUSE') {
      throw new MirrorError('CONFIG', '', `cannot listen at ${at}: something else does`, {
        cause: error,
        hint: 'give another place with --listen HOST:PORT, or port 0 for any',
      });
    }
    const system = describeSystemError(error);
    throw new MirrorError(
      'CONFIG',
      '',
      `cannot serve '${directory}' at ${at}: ${system?.what ?? messageOf(error)}`,
      { cause: error, hint: system?.hint ?? 'check --listen' },
    );
  }
}

function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host !== undefined && port <= 65_535) return { host, port };
  throw new CliError(
    'USAGE',
    `--listen: expected HOST:PORT such as ${DEFAULT_LISTEN}, found '${text}'`,
    "see 'mirrors serve --help'",
  );
}

function untilStopped(): Promise<void> {
  return new Promise((stop) => {
    process.once('SIGTERM', () => stop());
    process.once('SIGINT', () => stop());
  });
}
