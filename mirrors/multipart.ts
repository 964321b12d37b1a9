/** A file as the one part of a form (RFC 7578), streamed from disk with constant memory. */
import { createHash, randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { changedUnderway } from './errors.ts';
import type { RequestBody } from './http.ts';
import type { UploadOptions } from './mirror.ts';

const CHUNK_BYTES = 256 * 1024;

/**
 * The file at `path` as the part `attachment`. The file is hashed on its way;
 * if it turns out not to be what `expected` says, the form is never ended and
 * the request fails. For one request only.
 */
export function formOf(mirror: string, path: string, expected: UploadOptions): RequestBody {
  const boundary = `landfall-${randomBytes(18).toString('hex')}`;
  const head = Buffer.from(
    [
      `--${boundary}`,
      `content-disposition: form-data; name="attachment"; filename="${basename(path)}"`,
      'content-type: application/octet-stream',
      '',
      '',
    ].join('\r\n'),
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    size: head.length + expected.size + tail.length,
    chunks: parts(mirror, path, expected, head, tail),
  };
}

async function* parts(
  mirror: string,
  path: string,
  expected: UploadOptions,
  head: Uint8Array,
  tail: Uint8Array,
): AsyncGenerator<Uint8Array> {
  yield head;
  const file = await open(path);
  try {
    const hash = createHash('sha256');
    let sent = 0;
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0);
      if (bytesRead === 0) break;
      const chunk = buffer.subarray(0, bytesRead);
      hash.update(chunk);
      yield chunk;
      sent += bytesRead;
      expected.onProgress?.(sent);
    }
    const digest = hash.digest('hex');
    if (digest !== expected.sha256) {
      throw changedUnderway(mirror, path, expected.sha256, digest);
    }
  } finally {
    await file.close();
  }
  yield tail;
}
