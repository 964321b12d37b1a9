/**
 * `npm run bench`: figures of what is here, beside what it is to be compared
 * with, measured in the same run. Nothing here is asserted: what a machine shows
 * depends on what else it does. Exit 0 when all could be measured, 1 when a
 * group failed, 2 for wrong usage.
 *
 * Writes to the cache, to a temporary folder that is removed, and with --docs to docs/.
 */
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '@landfall/errors';
import { isMissing, preparePeers } from './peers.ts';
import type { Bench, Group } from './bench.ts';
import { openDisk } from './disk.ts';
import { type Figure, type Verdict, verdictOf } from './figures.ts';
import { GROUPS } from './groups.ts';
import { describeMachine } from './machine.ts';
import { makeOurs } from './ours.ts';
import { writePart } from './page.ts';
import { tableOf } from './table.ts';

const USAGE = `usage: npm run bench -- [--quick] [--only GROUP]… [--rounds N] [--json] [--docs]

  --quick       small workloads, one round
  --only GROUP  one of: ${GROUPS.map(({ name }) => name).join(', ')}; may be repeated
  --rounds N    interleaved runs of everything; 5 unless told
  --json        one JSON value on standard output
  --docs        writes tables and pictures into docs/performance.md
  --scratch DIR where to write while measuring; the temporary folder unless told`;

const GIB = 1024 ** 3;
const DISK_BYTES = 24 * GIB;
const QUICK_DISK_BYTES = 2 * GIB;

interface Measured {
  name: string;
  title: string;
  figures: readonly (Figure & { verdict: Verdict })[];
  problem?: string;
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string' },
    json: { type: 'boolean', default: false },
    docs: { type: 'boolean', default: false },
    scratch: { type: 'string', default: tmpdir() },
    help: { type: 'boolean', default: false },
  },
});

function chosen(): Group[] {
  const unknown = values.only.find((name) => !GROUPS.some((group) => group.name === name));
  if (unknown !== undefined) usage(`no group '${unknown}'`);
  return GROUPS.filter(({ name }) => values.only.length === 0 || values.only.includes(name));
}

function roundsOf(): number {
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
  if (!Number.isInteger(rounds) || rounds < 1) usage('--rounds: expected a number of at least 1');
  return rounds;
}

function usage(problem: string): never {
  console.error(`error: ${problem}\n${USAGE}`);
  process.exit(2);
}

// Modes of what is made here are those of releases, whatever the caller's umask.
process.umask(0o022);

async function measure(folder: string): Promise<void> {
  const [groups, rounds] = [chosen(), roundsOf()];
  const notes: string[] = [];
  const say = (line: string): void => console.error(`  ${line}`);
  const note = (line: string): void => {
    if (notes.includes(line)) return;
    notes.push(line);
    console.error(`note: ${line}`);
  };
  preparePeers(note);
  const ours = await makeOurs(join(folder, 'ours'));
  const disk = openDisk(folder, values.quick ? QUICK_DISK_BYTES : DISK_BYTES, note);
  atEnd.push(() => disk.close());
  const measured: Measured[] = [];
  for (const group of groups) {
    console.error(group.title);
    const scratch = join(folder, group.name);
    mkdirSync(scratch);
    const bench = {
      quick: values.quick,
      rounds,
      scratch,
      disk,
      ours,
      has: (program: string) => !isMissing(program),
      note,
      say,
    };
    const result = await measureGroup(group, bench);
    measured.push(result);
    rmSync(scratch, { recursive: true, force: true });
    if (!values.json) tell(result);
    if (values.docs && result.problem === undefined) {
      writePart(group, result.figures, describeMachine({ ...values, rounds }));
    }
  }
  if (values.json) {
    const machine = describeMachine({ ...values, rounds });
    console.log(
      JSON.stringify({ machine, quick: values.quick, rounds, notes, groups: measured }, null, 2),
    );
  }
}

async function measureGroup(group: Group, bench: Bench): Promise<Measured> {
  const { name, title } = group;
  try {
    const figures = await group.run(bench);
    return { name, title, figures: figures.map((each) => ({ ...each, verdict: verdictOf(each) })) };
  } catch (error) {
    process.exitCode = 1;
    return { name, title, figures: [], problem: messageOf(error) };
  }
}

function tell({ title, figures, problem }: Measured): void {
  console.log(`\n${title}`);
  console.log(problem === undefined ? tableOf(figures).join('\n') : `failed: ${problem}`);
}

const atEnd: (() => void)[] = [];
function cleanUp(): void {
  for (const end of atEnd.splice(0).toReversed()) end();
}

if (values.help) {
  console.log(USAGE);
} else {
  const folder = mkdtempSync(join(realpathSync(values.scratch), 'landfall-bench-'));
  // A web server's user must get through to what it serves.
  chmodSync(folder, 0o755);
  atEnd.push(() => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      cleanUp();
      process.exit(1);
    });
  }
  try {
    await measure(folder);
  } finally {
    cleanUp();
  }
}
