/** `mirrors init DIR`: makes a folder a mirror. */
import { lstatSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CliError, type Command } from '@landfall/cli';
import { makeDirectoryDurably, writeFileDurably } from '@landfall/durable';
import { MARKER_FILE } from '../layout.ts';

/** `mirrors init DIR`: writes the marker without which nothing is ever written to a folder. */
export const init: Command = {
  name: 'init',
  args: 'DIR',
  arity: [1, 1],
  summary: 'make a folder a mirror that releases may be written to',
  options: { 'dry-run': { help: 'say what would be done, and do nothing' } },
  details: [
    `It writes the marker '${MARKER_FILE}', without which nothing is ever written to the folder:`,
    'a stick that is not mounted is a mirror that is down, not an empty folder to fill.',
  ],
  run(context) {
    const directory = resolve(context.positionals[0] ?? '.');
    requireNoFile(directory);
    const marker = join(directory, MARKER_FILE);
    const there = lstatSync(marker, { throwIfNoEntry: false }) !== undefined;
    const data = { directory, address: pathToFileURL(directory).href, made: !there };
    if (there) return context.result(data, `'${directory}' is a mirror already`);
    if (context.flag('dry-run')) return context.result(data, `would make '${directory}' a mirror`);
    makeDirectoryDurably(join(directory, 'releases'));
    writeFileDurably(marker, `${JSON.stringify({ landfall: 'mirror', schema: 1 })}\n`, {
      mode: 0o644,
    });
    context.result(data, [
      `'${directory}' is a mirror now`,
      `serve it with 'mirrors serve ${directory}' or any web server`,
    ]);
  },
};

/** What is there already must be a folder. Throws `CliError` USAGE. */
export function requireNoFile(path: string): void {
  const info = statSync(path, { throwIfNoEntry: false });
  if (info === undefined || info.isDirectory()) return;
  throw new CliError('USAGE', `'${path}': expected a folder, found a file`, 'check the path');
}
