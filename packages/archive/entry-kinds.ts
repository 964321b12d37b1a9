/** The types a tar entry can have that never travel, in words. */

const FLAGS: Readonly<Record<string, string>> = {
  '1': 'a hard link',
  '2': 'a symbolic link',
  '3': 'a character device',
  '4': 'a block device',
  '6': 'a fifo',
  '7': 'a contiguous file',
  '\0': 'an entry of the old tar format',
  g: 'a global pax header',
  K: 'a GNU long link',
  L: 'a GNU long name',
  S: 'a sparse file',
  V: 'a volume label',
  M: 'a continued file',
  D: 'a GNU dump directory',
};

/** What an entry is that is neither a file nor a directory; undefined for those. */
export function kindOfFlag(flag: string): string | undefined {
  if (flag === '0' || flag === '5') return undefined;
  return FLAGS[flag] ?? `of the unknown type ${JSON.stringify(flag)}`;
}
