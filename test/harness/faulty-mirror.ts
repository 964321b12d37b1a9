/** A directory mirror over HTTP that misbehaves as told. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type ByteRange, parseRange } from '../../mirrors/serve-range.ts';
import { type Answer, type Fault, type FaultyServer, startFaultyServer } from './http-faults.ts';

/**
 * Serves the folder `directory`. `fault`, if given, befalls every request;
 * `rules` of what is returned says more finely which. It knows ranges when told
 * to, and `lie` has the last word on what range is sent. End it with `stop`.
 */
export async function startFaultyMirror(
  directory: string,
  fault?: Fault,
  options: { ranges?: boolean; lie?: (range: ByteRange, size: number) => Answer | undefined } = {},
): Promise<FaultyServer> {
  const server = await startFaultyServer(async (request) => {
    const path = decodeURIComponent(request.url?.split('?')[0] ?? '/');
    const file = join(directory, path);
    const found = !path.includes('..') && isFile(file);
    if (!found) return NOT_FOUND;
    const { size } = statSync(file);
    const asked = options.ranges === true ? request.headers.range : undefined;
    const range = parseRange(asked, size);
    if (range === undefined || range === 'unsatisfiable') {
      return { status: 200, headers: headersOf(file), body: { file } };
    }
    return options.lie?.(range, size) ?? partOf(file, range, size);
  });
  if (fault !== undefined) server.rules.push({ fault });
  return server;
}

function partOf(file: string, { start, end }: ByteRange, size: number): Answer {
  const headers = { ...headersOf(file), 'content-range': `bytes ${start}-${end}/${size}` };
  return { status: 206, headers, body: { file, start, end } };
}

const NOT_FOUND: Answer = { status: 404, headers: { 'content-type': 'text/plain' }, body: '404\n' };

function headersOf(file: string): Record<string, string> {
  const json = file.endsWith('.json');
  return { 'content-type': json ? 'application/json' : 'application/octet-stream' };
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
