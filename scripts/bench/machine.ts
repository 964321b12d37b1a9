/** Where something was measured, in one line: figures of two machines are not to be compared. */
import { cpus, release, totalmem } from 'node:os';
import { formatBytes } from '@landfall/cli';

/** `5 rounds, medians; 2 × Some CPU, 24 GiB, Linux 6.1, Node 26.10.0`. */
export function describeMachine({ rounds, quick }: { rounds: number; quick: boolean }): string {
  const [first] = cpus();
  const machine = [
    `${cpus().length} × ${first?.model.trim() ?? 'unknown'}`,
    formatBytes(totalmem()),
    `Linux ${release()}`,
    `Node ${process.versions.node}`,
  ];
  return `${quick ? 'Small workloads, ' : ''}${rounds} round${rounds === 1 ? '' : 's'}, medians; ${machine.join(', ')}.`;
}
