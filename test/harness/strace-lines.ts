/**
 * Lines that strace prints, as file operations: which system calls change a
 * file system, which file each is about, and what that file is to a node.
 */
import { relative } from 'node:path';

/** System calls that change a file system. `?`: some machines lack it. */
export const CALLS = [
  '?open',
  '?creat',
  'openat',
  'write',
  'writev',
  'pwrite64',
  'pwritev',
  'copy_file_range',
  'sendfile',
  'fallocate',
  'fsync',
  'fdatasync',
  'ftruncate',
  'truncate',
  '?rename',
  '?renameat',
  'renameat2',
  '?unlink',
  'unlinkat',
  '?rmdir',
  '?symlink',
  'symlinkat',
  '?link',
  'linkat',
  '?mkdir',
  'mkdirat',
  '?chmod',
  'fchmod',
  'fchmodat',
  '?fchmodat2',
  'utimensat',
].join(',');

/** One file operation of a run. */
export interface FileOperation {
  /** Name of the system call. */
  call: string;
  /** Below the folder that is watched; the program's process id in it is `PID`. */
  path: string;
  /** What the file is to the node: `marker`, `state`, `current`, `staging` … */
  role: string;
  /** Which operation of this call on this path in this run, from 1. */
  nth: number;
  /** For strace's `when=`: which operation of this call on `match` in this run, from 1; which of this call, where that is empty. */
  nthOfMatch: number;
  /**
   * For strace's `-P`: the path that the call itself names first, absolute, with
   * `$$` for the process id. Empty for links, which nothing else makes, and for what
   * is named by a descriptor, whose number says nothing: all calls of this name.
   */
  match: string;
}

/** What is known of a run so far, from its lines. */
export interface Seen {
  /** Calls by name, and by name and path. */
  counts: Map<string, number>;
  /** Path of each folder that was opened, by descriptor. */
  folders: Map<string, string>;
}

/** `"/proc/self/fd/21/name"` as the path it leads to. */
function followDescriptors(line: string, { folders }: Seen): string {
  const opened = /O_DIRECTORY.* = (\d+)<(\/[^>]*)>/.exec(line);
  if (opened?.[1] !== undefined) folders.set(opened[1], opened[2] ?? '');
  return line.replaceAll(/"\/proc\/self\/fd\/(\d+)\//g, (all, fd: string) => {
    const folder = folders.get(fd);
    return folder === undefined ? all : `"${folder}/`;
  });
}

/**
 * Reads a line such as `rename("/a", "/b") = 0`, if it changes something below
 * `folder`. `pid` is the program's; `seen` holds what was read of it so far.
 */
export function parseLine(
  printed: string,
  folder: string,
  pid: number,
  seen: Seen,
): FileOperation | undefined {
  const call = /^(\w+)\(/.exec(printed)?.[1];
  if (call === undefined) return undefined;
  const count = (key: string): number => {
    const nth = (seen.counts.get(key) ?? 0) + 1;
    seen.counts.set(key, nth);
    return nth;
  };
  const nthOfAll = count(call);
  const line = followDescriptors(printed, seen);
  if (!line.includes(folder)) return undefined;
  if (call.startsWith('open') && !line.includes('O_CREAT')) return undefined;
  const named = pathsOf(call, line);
  const within = named.filter(({ path }) => path === folder || path.startsWith(`${folder}/`));
  const subject = within.at(-1);
  if (subject === undefined) return undefined;
  const hidePid = (text: string, by: string): string =>
    text.replaceAll(new RegExp(`\\b${pid}\\b`, 'g'), by);
  const path = hidePid(relative(folder, subject.path), 'PID');
  const isByDescriptor = line !== printed;
  const match =
    call.startsWith('symlink') || isByDescriptor ? '' : hidePid(named[0]?.match ?? '', '$$$$');
  const nth = count(`${call} of ${path}`);
  const onMatch = count(`${call} ${match}`);
  const nthOfMatch = isByDescriptor ? nthOfAll : onMatch;
  return { call, path, role: roleOf(path), nth, match, nthOfMatch };
}

/** Paths a call names: of its descriptors (`3</a>`), and as strings, joined to the descriptor before them. */
function pathsOf(call: string, line: string): { path: string; match: string }[] {
  const found: { path: string; match: string }[] = [];
  let base = '';
  const isData = /^p?write|^sendfile|^copy_file_range/.test(call);
  for (const [, descriptor, text] of line.matchAll(/(?:\w+<(\/[^>]*)>)|"((?:[^"\\]|\\.)*)"/g)) {
    if (descriptor !== undefined) {
      base = descriptor;
      if (!line.includes(`AT_FDCWD<${descriptor}>`)) {
        found.push({ path: descriptor, match: descriptor });
      }
    } else if (text !== undefined && !isData) {
      if (text.startsWith('/')) found.push({ path: text, match: text });
      else if (!call.startsWith('symlink') && base !== '') {
        found.push({ path: `${base}/${text}`, match: base });
      }
    }
  }
  // A result such as `= 21</a>` names the same file again.
  return call.startsWith('open') ? found.slice(0, 1) : found;
}

/** What a file below a node's disk is to it. */
function roleOf(path: string): string {
  const [top = '', first = '', second = ''] = path.split('/');
  const name = first.replace(/^\.(.*)\.tmp-.*$/, '$1');
  if (name === '') return `${top} folder`;
  if (top === 'root') {
    if (name !== 'deployments') return name;
    if (second === '') return 'deployments';
    return /^\.(\w+)-/.exec(second)?.[1] ?? 'deployment';
  }
  const known: Record<string, string> = {
    'pending-verification.json': 'marker',
    'journal.jsonl': 'journal',
  };
  return known[name] ?? name.replace(/^(lock)\..*|\.json$/, '$1');
}
