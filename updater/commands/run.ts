/**
 * `updater run`: the same as `once`, again and again, for machines without a
 * timer. This process stays and does little: it keeps the times, tells its
 * service manager that it lives, and starts a process for each round, which
 * holds the lock for as long as it takes, so that an operator's command can
 * come in between. It loads nothing that only a round needs: it is there for
 * months, on small machines.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command, Context } from '@landfall/cli';
import { ExitCode, OtaError } from '@landfall/errors';
import { UpdaterError } from '../errors.ts';
import { beginLife, type Life } from '../life.ts';
import { pathsOf } from '../paths.ts';
import { type RoundEnd, type RoundError, type RoundOutcome, roundApart } from '../round-apart.ts';
import { UPDATER_VERSION } from '../version.ts';
import { untilToldToStop } from './told-to-stop.ts';

/** After a round that said nothing of the next one. */
const LOOK_AGAIN_MS = 30_000;

/** `updater run`: round after round, until it is told to stop or another updater takes over. */
export const run: Command = {
  name: 'run',
  summary:
    'stay and do what once does, every [run].interval; look after what runs every [heal].interval',
  details: [
    'Ends cleanly on SIGTERM, between two steps; what was begun is settled by the next start.',
    'Each round is a process of its own, and reads the configuration anew.',
  ],
  async run(context) {
    const life = beginLife((line) => context.note(line));
    try {
      await untilToldToStop(
        async (signal) => {
          signal.addEventListener('abort', () => life.stopping());
          await loop(context, signal, life);
        },
        { outlivesTerminal: false },
      );
    } finally {
      await life.end();
    }
    return ExitCode.done;
  },
};

async function loop(context: Context, signal: AbortSignal, life: Life): Promise<void> {
  const told = new Set<string>();
  let nextCheck = performance.now();
  let checkIn = LOOK_AGAIN_MS;
  const proof: Proof = { hasBegun: false, hasWorked: false };
  while (!signal.aborted) {
    const isDue = performance.now() >= nextCheck;
    const outcome = await life.during((hung) =>
      roundApart([isDue ? 'due' : 'look', ...optionsOf(context)], {
        signal,
        hung,
        onBegun: ({ root, state }) => life.ready(pathsOf(root, state)),
      }),
    );
    const end = judge(outcome, proof, signal);
    tellError(context, end.error, isDue, told);
    const successor = successorOf(outcome);
    if (successor !== undefined) return context.note(`${successor}: ending, so that it is started`);
    if (isDue) {
      checkIn = end.checkIn ?? outcome.begun?.checkIn ?? checkIn;
      nextCheck = performance.now() + checkIn;
    }
    const wait = Math.max(0, Math.min(nextCheck - performance.now(), end.lookIn));
    await sleep(wait, undefined, { signal }).catch(() => {});
  }
  context.note('stopped, as told');
}

/** What was given to this process that a round goes by. */
function optionsOf(context: Context): string[] {
  const config = context.text('config');
  return [
    ...(config === undefined ? [] : [`--config=${config}`]),
    ...['json', 'debug'].flatMap((name) => (context.flag(name) ? [`--${name}`] : [])),
  ];
}

/** What this program has shown since its start. */
interface Proof {
  /** It read the configuration. */
  hasBegun: boolean;
  /** It made a round in which nothing went wrong. */
  hasWorked: boolean;
}

/**
 * How the round ended; one whose process died ended with an error, and the next
 * one comes. Throws where that would not help, or somebody else may know better:
 * the service manager, which starts this program again, or the updater before it.
 * The configuration cannot be read at the start, or a program does not begin its
 * work, or dies before it has shown that it can do it.
 */
function judge(outcome: RoundOutcome, proof: Proof, signal: AbortSignal): RoundEnd {
  const { begun, end, how, isMishap } = outcome;
  proof.hasBegun ||= begun !== undefined;
  if (end !== undefined) {
    const { error } = end;
    proof.hasWorked ||= error === undefined;
    if (error === undefined || proof.hasBegun) return end;
    throw new OtaError(error.code, error.message, toOptions(error));
  }
  const error = new UpdaterError('ROUND', `the process of this round ${how}`, {
    hint: "what it left is settled by the next; 'journalctl -k' tells whether memory ran out or a disk hangs",
  });
  // Told to stop before it listened: nothing was begun.
  if (signal.aborted && begun === undefined) return { lookIn: LOOK_AGAIN_MS };
  if (!signal.aborted && (!proof.hasWorked || (begun === undefined && !isMishap))) throw error;
  const { code, message, hint, exit } = error;
  return { lookIn: LOOK_AGAIN_MS, error: { code, message, hint, exit } };
}

function toOptions({ hint, exit }: RoundError): { hint?: string; exit: ExitCode } {
  return hint === undefined ? { exit } : { hint, exit };
}

/** Why another program is to go on in this one's place, where one is. */
function successorOf({ begun, end }: RoundOutcome): string | undefined {
  if (end?.handedOver === true) return 'another updater took over';
  if (begun === undefined || begun.version === UPDATER_VERSION) return undefined;
  return `the program was replaced by version ${begun.version}`;
}

/** What stays wrong is told with each check of the mirrors, not with each look. */
function tellError(
  context: Context,
  error: RoundError | undefined,
  isDue: boolean,
  told: Set<string>,
): void {
  if (error === undefined || (!isDue && told.has(error.message))) return;
  if (isDue) told.clear();
  told.add(error.message);
  context.note(`error: ${error.message}`);
  if (error.hint !== undefined) context.note(`  hint: ${error.hint}`);
}
