/**
 * Two names change places in one step: renameat2(2) with RENAME_EXCHANGE. Node
 * has no call for it, so a program of the machine does it, whichever is there.
 * Between before and after there is nothing: no request finds neither. A crash
 * leaves the one or the other.
 */
import { lstatSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncDirectory } from '@landfall/durable';
import { UpdaterError } from '../errors.ts';
import { runProgram } from '../services/command.ts';

const TIMEOUT_MS = 10_000;
/** Number of the system call, by Node's name of the CPU. */
const RENAMEAT2: Readonly<Record<string, number>> = { x64: 316, arm64: 276 };

/**
 * Exchanges `a` and `b`, in one folder. Throws `UpdaterError` ADOPTION when no
 * program on this machine can; nothing was changed then.
 */
export async function exchange(a: string, b: string): Promise<void> {
  const before = inodeOf(b);
  for (const argv of waysOf(a, b)) {
    await runProgram(argv, { timeoutMs: TIMEOUT_MS, output: 'ignore' });
    // Not the exit code: an old `mv` may have done something else, or nothing.
    if (inodeOf(a) === before) {
      syncDirectory(dirname(a));
      return;
    }
  }
  throw new UpdaterError(
    'ADOPTION',
    `'${a}' and '${b}' could not change places: expected mv of coreutils 9.5, exch, perl or python3, and a file system that can`,
    {
      hint: "'updater adopt --by-hand' lays everything out, and leaves the web server's root to you",
    },
  );
}

function waysOf(a: string, b: string): string[][] {
  const call = RENAMEAT2[process.arch];
  const perl = `syscall(${call}, -100, $ARGV[0], -100, $ARGV[1], 2) == 0 or exit 1`;
  const python =
    'import ctypes,sys,os;sys.exit(ctypes.CDLL(None).renameat2(-100,os.fsencode(sys.argv[1]),-100,os.fsencode(sys.argv[2]),2)!=0)';
  return [
    ['mv', '--exchange', '--no-target-directory', a, b],
    ['exch', a, b],
    ...(call === undefined ? [] : [['perl', '-e', perl, a, b]]),
    ['python3', '-c', python, a, b],
  ];
}

function inodeOf(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.ino;
}
