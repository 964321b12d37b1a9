/** A directory mirror over HTTP that misbehaves as told. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type Answer, type Fault, type FaultyServer, startFaultyServer } from './http-faults.ts';

/**
 * Serves the folder `directory`. `fault`, if given, befalls every request;
 * `rules` of what is returned says more finely which. End it with `stop`.
 */
export async function startFaultyMirror(directory: string, fault?: Fault): Promise<FaultyServer> {
  const server = await startFaultyServer(async (request) => {
    const path = decodeURIComponent(request.url?.split('?')[0] ?? '/');
    const file = join(directory, path);
    const found = !path.includes('..') && isFile(file);
    return found ? { status: 200, headers: headersOf(file), body: { file } } : NOT_FOUND;
  });
  if (fault !== undefined) server.rules.push({ fault });
  return server;
}

const NOT_FOUND: Answer = { status: 404, headers: { 'content-type': 'text/plain' }, body: '404\n' };

function headersOf(file: string): Record<string, string> {
  const json = file.endsWith('.json');
  return { 'content-type': json ? 'application/json' : 'application/octet-stream' };
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
