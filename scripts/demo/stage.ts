/**
 * The demo's stage: runs commands as a person would type them, shows what they
 * print, checks that each went as the story says, and keeps the closing table.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { formatDuration, formatTable } from '@landfall/cli';

export const house = join(import.meta.dirname, '../..');

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

interface Row {
  what: string;
  expected: string;
  found: string;
  ms: number;
}

const rows: Row[] = [];

/** A heading, and a sentence on what is about to be seen. */
export function chapter(title: string, text: string): void {
  console.log(`\n== ${title}\n   ${text}`);
}

/**
 * Runs `argv` and shows it. `shown` replaces paths nobody needs to see. The
 * output is shown indented. Ends after `seconds` at the latest.
 */
export async function run(
  argv: readonly string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv; shown?: string; seconds?: number },
): Promise<Ran> {
  console.log(`\n   $ ${options.shown ?? argv.join(' ')}`);
  const [command, ...rest] = argv;
  const child = spawn(command ?? '', rest, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: (options.seconds ?? 120) * 1000,
  });
  const ran = { code: -1, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    ran.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    ran.stderr += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  ran.code = code ?? -1;
  for (const line of `${ran.stderr}${ran.stdout}`.split('\n')) {
    if (line.trim() !== '') console.log(`     ${line}`);
  }
  return ran;
}

/** One act of the story: runs it, times it, and notes whether it ended as `expected`. */
export async function act(
  what: string,
  expected: string,
  play: () => Promise<string>,
): Promise<void> {
  const start = performance.now();
  let found: string;
  try {
    found = await play();
  } catch (error) {
    found = error instanceof Error ? error.message : String(error);
  }
  const ms = performance.now() - start;
  rows.push({ what, expected, found, ms });
  if (found !== expected) console.log(`\n   NOT AS EXPECTED: expected ${expected}, found ${found}`);
}

/** Prints the table of all acts. Returns whether every one went as expected. */
export function closingTable(): boolean {
  const cells = rows.map((row) => [
    row.what,
    row.found,
    row.found === row.expected ? 'as expected' : `EXPECTED ${row.expected}`,
    formatDuration(row.ms),
  ]);
  console.log(`\n${formatTable(['what happened', 'outcome', '', 'took'], cells).join('\n')}`);
  return rows.every((row) => row.found === row.expected);
}
