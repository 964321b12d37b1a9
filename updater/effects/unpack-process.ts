/**
 * The other side of `unpack-apart.ts`: gives up its rights, unpacks what lies
 * behind descriptor 0 to descriptor 1, and tells on descriptor 3 how it ended.
 */
import { writeSync } from 'node:fs';
import { ArchiveError, unpackArchive } from '@landfall/archive';
import { type UnpackVerdict, VERDICT_FD } from './unpack-apart.ts';

/** The user that owns nothing, by the number that every Linux gives it. */
const NOBODY = 65_534;

/** `maxBytes` and the archive's name, as arguments. */
export async function runUnpack([maxBytes = '', name = '']: readonly string[]): Promise<void> {
  const output = process.stdout;
  giveUpRights();
  let verdict: UnpackVerdict;
  let bytes = 0;
  try {
    for await (const piece of unpackArchive(0, { name, maxBytes: Number(maxBytes) })) {
      bytes += piece.length;
      // A piece is valid until the next is asked for: it must have gone by then.
      await new Promise<void>((resolve, reject) => {
        output.write(piece, (error) => (error ? reject(error) : resolve()));
      });
    }
    verdict = { bytes };
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    const { message, hint } = error;
    const code = error.code === 'ARCHIVE_IO' ? 'ARCHIVE_IO' : 'ARCHIVE_REFUSED';
    verdict = { code, message, ...(hint === undefined ? {} : { hint }) };
  }
  writeSync(VERDICT_FD, JSON.stringify(verdict));
}

/** Root becomes nobody; where the permission model is on, not even reading is left. Throws when that does not work. */
export function giveUpRights(): void {
  if (process.getuid?.() === 0) {
    process.setgroups?.([]);
    process.setgid?.(NOBODY);
    process.setuid?.(NOBODY);
  }
  // Undefined without --permission; some releases of Node cannot drop what was allowed.
  const permission = process.permission as { drop?(scope: string): void } | undefined;
  permission?.drop?.('fs.read');
}
