/** Takes the one part of a form from a request to a file, with constant memory. */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import type { IncomingMessage } from 'node:http';

const HEAD_END = Buffer.from('\r\n\r\n');
const MAX_HEAD = 16 * 1024;

/** What came: the size of the file, or why there is none. */
export type Received = { size: number } | { error: string };

/** Stores the form's first part, which must be named `attachment`, at `path`. */
export async function receiveForm(request: IncomingMessage, path: string): Promise<Received> {
  const type = request.headers['content-type'] ?? '';
  const boundary = /^multipart\/form-data; *boundary="?([^";]+)"?$/i.exec(type)?.[1];
  if (boundary === undefined) {
    request.resume();
    return { error: "request Content-Type isn't multipart/form-data" };
  }
  const fd = openSync(path, 'w+');
  try {
    const head = await copyPart(request, fd);
    const size = head === undefined ? undefined : cutTail(fd, boundary);
    const named = head !== undefined && /name="attachment"/.test(head);
    if (size !== undefined && named) return { size };
    rmSync(path);
    return { error: 'http: no such file' };
  } catch (error) {
    rmSync(path);
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** Writes what follows the part's head, the form's end included; the head. */
async function copyPart(request: IncomingMessage, fd: number): Promise<string | undefined> {
  let head: Buffer | undefined = Buffer.alloc(0);
  let text: string | undefined;
  for await (const chunk of request) {
    let rest = chunk as Buffer;
    if (head !== undefined) {
      head = Buffer.concat([head, rest]);
      const end = head.indexOf(HEAD_END);
      if (end < 0 && head.length < MAX_HEAD) continue;
      if (end < 0) return undefined;
      text = head.subarray(0, end).toString('latin1');
      rest = head.subarray(end + HEAD_END.length);
      head = undefined;
    }
    for (let done = 0; done < rest.length;) done += writeSync(fd, rest, done);
  }
  if (!request.complete) throw new Error('the request was cut off');
  return text;
}

/** Takes the form's end off the file; its size, or undefined when the end is not there. */
function cutTail(fd: number, boundary: string): number | undefined {
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const size = fstatSync(fd).size - tail.length;
  const found = Buffer.alloc(tail.length);
  if (size < 0 || readSync(fd, found, 0, tail.length, size) !== tail.length) return undefined;
  if (!found.equals(tail)) return undefined;
  ftruncateSync(fd, size);
  return size;
}
