/** What a group of benches is, and what it is given. */
import type { Disk } from './disk.ts';
import type { Figure } from './figures.ts';
import type { Ours } from './ours.ts';

export interface Bench {
  /** Small workloads: tells whether all works, and little of how fast it is. */
  quick: boolean;
  rounds: number;
  /** An empty folder of this group, removed after it. */
  scratch: string;
  disk: Disk;
  ours: Ours;
  /** Whether a peer can be started. */
  has: (program: string) => boolean;
  /** Tells the reader something that holds for all figures. */
  note: (line: string) => void;
  /** Tells who waits what is going on. */
  say: (line: string) => void;
}

export interface Group {
  name: string;
  title: string;
  run(bench: Bench): Promise<Figure[]>;
}

/** A word for the shell, whatever is in it. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** A line of shell as a program: bash, so that a failure inside a pipe is one. */
export function shell(line: string): string[] {
  return ['bash', '-c', `set -eo pipefail; ${line}`];
}
