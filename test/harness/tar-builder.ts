/**
 * Builds tar archives with any header, right or wrong, to attack the reader
 * with. It shares no code with the packer. Fields given as text are written as
 * they are; numbers as octal digits and a NUL.
 */

export interface RawEntry {
  name?: string | Buffer;
  prefix?: string;
  mode?: number | string;
  uid?: number | string;
  gid?: number | string;
  /** Written instead of the content's length. */
  size?: number | string;
  mtime?: number | string;
  /** Type flag: '0' file, '5' directory, … */
  flag?: string;
  linkName?: string;
  /** 8 bytes: POSIX ustar unless told. */
  magic?: string;
  userName?: string;
  groupName?: string;
  device?: number | string;
  /** Written instead of the right sum. */
  checksum?: number | string;
  content?: string | Buffer;
  /** Fills the last block instead of zeros. */
  padding?: string;
  /** Changes the finished block before the sum is made. */
  edit?: (block: Buffer) => void;
}

export const GNU_MAGIC = 'ustar  \0';
/** The two blocks of zeros that end an archive. */
export const END = Buffer.alloc(1024);

/** One header block and its content. A file of mode 0644 owned by 0:0 unless told. */
export function rawEntry(entry: RawEntry): Buffer {
  const content = Buffer.from(entry.content ?? '');
  const block = Buffer.alloc(512);
  const put = (value: number | string, at: number, length: number): void => {
    const text =
      typeof value === 'string' ? value : `${value.toString(8).padStart(length - 1, '0')}\0`;
    block.write(text.slice(0, length), at, 'latin1');
  };
  block.set(Buffer.from(entry.name ?? './a').subarray(0, 100), 0);
  put(entry.mode ?? 0o644, 100, 8);
  put(entry.uid ?? 0, 108, 8);
  put(entry.gid ?? 0, 116, 8);
  put(entry.size ?? content.length, 124, 12);
  put(entry.mtime ?? 0, 136, 12);
  put(entry.flag ?? '0', 156, 1);
  block.write(entry.linkName ?? '', 157, 100);
  put(entry.magic ?? 'ustar\x0000', 257, 8);
  block.write(entry.userName ?? '', 265, 32);
  block.write(entry.groupName ?? '', 297, 32);
  put(entry.device ?? 0, 329, 8);
  put(entry.device ?? 0, 337, 8);
  block.write(entry.prefix ?? '', 345, 155);
  entry.edit?.(block);
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(entry.checksum ?? `${sum.toString(8).padStart(6, '0')}\0 `, 148, 8);
  const rest = Buffer.alloc((512 - (content.length % 512)) % 512, entry.padding ?? 0);
  return Buffer.concat([block, content, rest]);
}

/** A directory of mode 0755. `path` as stored: `./a/`. */
export function directory(path: string, more: RawEntry = {}): Buffer {
  return rawEntry({ name: path, mode: 0o755, flag: '5', ...more });
}

/** A file of mode 0644. `path` as stored: `./a`. */
export function file(path: string, content = '', more: RawEntry = {}): Buffer {
  return rawEntry({ name: path, content, ...more });
}

/** A pax header for the entry that follows: records, or its body as it is. */
export function pax(
  records: Readonly<Record<string, string>> | string,
  more: RawEntry = {},
): Buffer {
  const content =
    typeof records === 'string'
      ? records
      : Object.entries(records)
          .map(([key, value]) => paxRecord(key, value))
          .join('');
  return rawEntry({ name: './PaxHeaders/x', flag: 'x', content, ...more });
}

export function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  for (let length = rest + 1; ; length += 1) {
    if (rest + String(length).length === length) return `${length} ${key}=${value}\n`;
  }
}

/** A whole archive: the entries and the end. */
export function tar(entries: readonly Buffer[], end: Buffer = END): Buffer {
  return Buffer.concat([...entries, end]);
}

/** The root directory as the packer writes it. */
export const ROOT = directory('./');
