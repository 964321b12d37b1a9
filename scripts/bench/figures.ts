/**
 * What a bench tells: figures, each of one step, ours beside a peer's, with the
 * goal that was set before anything was built. A goal that is not met stays in.
 */
import { median, pairedRatio, type Run, type Runs } from './measure.ts';

/** What is compared, and thereby its unit: milliseconds, bytes, or a number. */
export type What =
  | 'time'
  | 'make time'
  | 'memory'
  | 'size'
  | 'written'
  | 'received'
  | 'requests'
  | 'growth';

/** An upper bound: of ours over the peer's, or of ours alone in the unit of what is compared. */
export interface Goal {
  of: 'ratio' | 'ours';
  atMost: number;
}

export interface Figure {
  step: string;
  what: What;
  peer: string;
  ours: number | undefined;
  /** Undefined: the peer is not there, or nothing is compared with. */
  theirs: number | undefined;
  ratio: number | undefined;
  /** Ratio of processor time, where it was measured: it bears what else the machine does. */
  cpu: number | undefined;
  goal: Goal | undefined;
  /** What a reader of the figure must know: less than it seems, another workload. */
  note: string | undefined;
}

export type Verdict = 'met' | 'NOT MET' | 'not measured' | '';

/** What came of a goal; empty where none was set. */
export function verdictOf({ ours, ratio, goal }: Figure): Verdict {
  if (goal === undefined) return '';
  const found = goal.of === 'ours' ? ours : ratio;
  if (found === undefined) return 'not measured';
  return found <= goal.atMost ? 'met' : 'NOT MET';
}

export interface Asked {
  step: string;
  what: What;
  /** Names of contenders. Without a peer ours stands alone. */
  ours: string;
  peer?: string;
  /** What is taken of a run; by default what `what` says. */
  of?: (run: Run) => number;
  goal?: Goal;
  note?: string;
}

/** A figure of what was measured. A contender that did not run leaves its side open. */
export function figureOf(runs: Runs, asked: Asked): Figure {
  const of = asked.of ?? DEFAULTS[asked.what];
  const values = (name: string | undefined, take = of): number[] =>
    (name === undefined ? [] : (runs.get(name) ?? [])).map(take);
  const [ours, theirs] = [values(asked.ours), values(asked.peer)];
  const timed = asked.what === 'time' || asked.what === 'make time';
  const processor = (name: string | undefined): number[] => values(name, ({ cpu }) => cpu);
  return {
    step: asked.step,
    what: asked.what,
    peer: asked.peer ?? '–',
    ours: numberOf(median(ours)),
    theirs: numberOf(median(theirs)),
    ratio: numberOf(pairedRatio(ours, theirs)),
    cpu: timed ? numberOf(pairedRatio(processor(asked.ours), processor(asked.peer))) : undefined,
    goal: asked.goal,
    note: asked.note,
  };
}

/** A figure of two numbers that are the same in every round, such as sizes. */
export function plainFigure(
  figure: Pick<Figure, 'step' | 'what' | 'peer'> & {
    ours: number;
    theirs?: number | undefined;
    goal?: Goal;
    note?: string;
  },
): Figure {
  const [ours, theirs] = [numberOf(figure.ours), numberOf(figure.theirs ?? Number.NaN)];
  const ratio = ours === undefined || theirs === undefined ? undefined : ours / theirs;
  return { goal: undefined, note: undefined, cpu: undefined, ...figure, ours, theirs, ratio };
}

const wall = ({ wall: ms }: Run): number => ms;
const nothing = (): number => Number.NaN;

const DEFAULTS: Readonly<Record<What, (run: Run) => number>> = {
  time: wall,
  'make time': wall,
  memory: ({ memory }) => memory,
  size: ({ more }) => more['size'] ?? Number.NaN,
  written: ({ more }) => more['written'] ?? Number.NaN,
  received: nothing,
  requests: nothing,
  growth: nothing,
};

function numberOf(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}
