/**
 * Whether the loader of this machine finds every shared library of a program,
 * without running it: the loader itself is asked, and only one that is known
 * to list instead of to run.
 */
import { existsSync } from 'node:fs';
import { readElf } from './elf.ts';
import { runBounded } from './bounded-command.ts';

const TIMEOUT_MS = 20_000;

/** How each loader is told to list. Glibc's `--list` stops at the first that is missing. */
const LOADERS: Readonly<Record<string, 'glibc' | 'musl'>> = {
  '/lib64/ld-linux-x86-64.so.2': 'glibc',
  '/lib/ld-linux-aarch64.so.1': 'glibc',
  '/lib/ld-linux.so.2': 'glibc',
  '/lib/ld-linux-armhf.so.3': 'glibc',
  '/lib/ld-musl-x86_64.so.1': 'musl',
  '/lib/ld-musl-aarch64.so.1': 'musl',
};

/**
 * What the program at `path` needs and this machine does not have: libraries,
 * versions of their symbols, the loader itself. Empty for what is no ELF file,
 * needs nothing, or has a loader that is not known.
 */
export async function findMissingLibraries(path: string, signal: AbortSignal): Promise<string[]> {
  const loader = readElf(path)?.interpreter;
  if (loader === undefined) return [];
  if (!existsSync(loader)) return [`its loader ${loader}`];
  const kind = LOADERS[loader];
  if (kind === undefined) return [];
  const { output } =
    kind === 'musl'
      ? await runBounded([loader, '--list', path], { timeoutMs: TIMEOUT_MS, signal })
      : await runBounded([loader, path], {
          timeoutMs: TIMEOUT_MS,
          env: { LD_TRACE_LOADED_OBJECTS: '1', LD_WARN: '1' },
          signal,
        });
  return [...new Set(output.split('\n').flatMap(missingIn))];
}

function missingIn(line: string): string[] {
  const library = /^\s*(\S+) => not found/.exec(line)?.[1];
  const version = /version `([^']+)' not found/.exec(line)?.[1];
  // musl: Error loading shared library libx.so: No such file or directory (needed by …)
  const musl = /Error loading shared library ([^:\s]+)/.exec(line)?.[1];
  return [library, version, musl].filter((each) => each !== undefined);
}
