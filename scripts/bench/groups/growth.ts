/**
 * What ten times as many files, or bytes, cost. Compared is what each further
 * one costs between the two larger sizes with what it costs between the two
 * smaller, so that the start of a process, which is the same, is in neither. GNU
 * tar unpacks the same: what it shows, too, is the machine's.
 */
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { formatBytes } from '@landfall/cli';
import { type Bench, type Group, quote, shell } from '../bench.ts';
import { type Figure, plainFigure } from '../figures.ts';
import { compare, type Contender, median, type Run, type Runs } from '../measure.ts';
import { valueOf } from '../table.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const SMALL_FILE = 2048;
const FILES_A_FOLDER = 500;
const MOST = 1.15;
const TAR = 'tar xf';

/** Three sizes of one kind; `make` fills a folder. */
interface Scale {
  name: string;
  sizes: readonly [number, number, number];
  label: (size: number) => string;
  make: (folder: string, size: number) => void;
}

export const growth: Group = {
  name: 'growth',
  title: 'Growth',
  async run(bench) {
    const count: Scale = {
      name: 'files',
      sizes: bench.quick ? [300, 1000, 3000] : [1000, 10_000, 100_000],
      label: (size) => `${size} files`,
      make: makeFiles,
    };
    const bytes: Scale = {
      name: 'bytes',
      sizes: bench.quick ? [16 * MIB, 48 * MIB, 128 * MIB] : [GIB / 10, GIB, 4 * GIB],
      label: formatBytes,
      make: makeBytes,
    };
    return [...(await grow(bench, count)), ...(await grow(bench, bytes))];
  },
};

async function grow(bench: Bench, scale: Scale): Promise<Figure[]> {
  bench.say(`growth, ${scale.name}`);
  const folder = join(bench.scratch, scale.name);
  const target = join(bench.disk.path, 'tree');
  const sides = scale.sizes.map((size, index): [Contender, Contender, Contender] => {
    const tree = join(folder, `tree-${index}`);
    const archive = join(folder, `${index}.tar.zst`);
    mkdirSync(tree, { recursive: true });
    scale.make(tree, size);
    const untar = `mkdir ${quote(target)}; tar -I zstd -xf ${quote(archive)} -C ${quote(target)}`;
    const prepare = (): void => bench.disk.renew();
    return [
      { name: `build ${index}`, argv: [...bench.ours.pack, 'pack', tree, archive, 'zstd', '3'] },
      {
        name: `extract ${index}`,
        argv: [...bench.ours.node, 'extract', archive, target],
        prepare,
      },
      { name: `${TAR} ${index}`, argv: shell(untar), prepare },
    ];
  });
  try {
    // Once before the rounds in this order, so that there is something to extract.
    const contenders = [
      ...sides.map(([pack]) => pack),
      ...sides.flatMap(([, ...unpack]) => unpack),
    ];
    const runs = await compare(contenders, { rounds: bench.rounds });
    return ['build', 'extract'].flatMap((command) => told(runs, command, scale));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function told(runs: Runs, command: string, { sizes, label }: Scale): Figure[] {
  const of = (name: string, take: (run: Run) => number): [number, number, number] => {
    const at = (index: number): number => median((runs.get(`${name} ${index}`) ?? []).map(take));
    return [at(0), at(1), at(2)];
  };
  const times = of(command, ({ wall }) => wall);
  const theirs = command === 'extract' ? of(TAR, ({ wall }) => wall) : undefined;
  const memory = of(command, (run) => run.memory);
  const [small, middle, large] = sizes.map(label);
  const inAll = (each: readonly number[]): string =>
    `in all ${each.map((ms) => valueOf('time', ms)).join(', ')}`;
  return [
    plainFigure({
      step: `${command}, ${middle} to ${large}`,
      what: 'growth',
      peer: theirs === undefined ? '–' : TAR,
      ours: slopeRatio(sizes, times),
      theirs: theirs && slopeRatio(sizes, theirs),
      goal: { of: 'ours', atMost: MOST },
      note: `what each further one costs, over what it costs from ${small} to ${middle}; ${inAll(times)}${theirs ? `; ${TAR} ${inAll(theirs)}` : ''}`,
    }),
    plainFigure({
      step: `${command}, ${large}`,
      what: 'memory',
      peer: small ?? '',
      ours: memory[2],
      theirs: memory[0],
      goal: { of: 'ratio', atMost: MOST },
    }),
  ];
}

/** The slope between the second and third point over that between the first and second; NaN where it does not rise. */
export function slopeRatio(
  [a, b, c]: readonly [number, number, number],
  [atA, atB, atC]: readonly [number, number, number],
): number {
  const [before, after] = [(atB - atA) / (b - a), (atC - atB) / (c - b)];
  return before > 0 && after > 0 ? after / before : Number.NaN;
}

function makeFiles(folder: string, count: number): void {
  for (let index = 0; index < count; index += 1) {
    const part = join(folder, `part-${Math.floor(index / FILES_A_FOLDER)}`);
    if (index % FILES_A_FOLDER === 0) mkdirSync(part);
    const text = `export const number${index} = ${index * 2_654_435_761};\n`;
    writeFileSync(join(part, `module-${index}.js`), text.repeat(SMALL_FILE / text.length));
  }
}

/** Files of 16 MiB that nothing makes smaller. */
function makeBytes(folder: string, bytes: number): void {
  const piece = Math.min(bytes, 16 * MIB);
  const first = join(folder, 'noise-0');
  execFileSync('bash', ['-c', `head -c ${piece} /dev/urandom >${quote(first)}`]);
  for (let index = 1; index < Math.round(bytes / piece); index += 1) {
    copyFileSync(first, join(folder, `noise-${index}`));
  }
}
