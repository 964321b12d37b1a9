/**
 * A node whose disk fails: one operation at a time, and from one on for good.
 * The updater must end by itself, in words; what runs must be whole; and when
 * the disk works again the node must end where it was going.
 */
import { describe, expect, it } from 'vitest';
import { isFullChaos, share, type Share, visited } from './chaos.ts';
import type { Outcome } from './command.ts';
import {
  chooseErrors,
  chooseMoments,
  endLasting,
  type LastingFault,
  runWithError,
  runWithLasting,
} from './crash-errors.ts';
import { addToMatrix, type Row } from './crash-matrix.ts';
import { STORIES } from './crash-stories.ts';
import { recover, type Recovery } from './crash-verdict.ts';
import { type CrashWorld, makeCrashWorld } from './crash-world.ts';
import type { FileOperation } from './strace-lines.ts';

/** What is met by errors: every story, or the one that `npm test` has time for. */
const stories = isFullChaos
  ? STORIES
  : STORIES.filter(({ name }) => name === 'an update that is rolled back');

/** The tests of one share of the stories. Each counts into the matrix. */
export function describeErrors(mine: Share): void {
  describe.each(share(stories, mine))('$name, on a disk that fails', (story) => {
    it('once, ends whole, and where it was going', { timeout: 1_200_000 }, async () => {
      const world = await makeCrashWorld(story);
      await world.rewind();
      const { operations } = await world.run();
      const chosen = chooseErrors(operations);
      const tally = new Tally(world);
      for (const failed of visited(`errors of ${story.name}`, chosen, 3)) {
        await world.rewind();
        const problems = judgeRun(world, await runWithError(world, failed));
        await tally.add(failed.operation, failed.error, problems);
      }
      const of = `${chosen.length} of ${operations.length} operations`;
      expect(tally.end(`${story.name}, errors`, of)).toStrictEqual([]);
    });

    it.each<LastingFault>(['full', 'read-only'])(
      'for good (%s), keeps what runs whole, and ends where it was going after that',
      { timeout: 1_200_000 },
      async (fault) => {
        const world = await makeCrashWorld(story);
        await world.rewind();
        const { operations } = await world.run();
        const tally = new Tally(world);
        for (const operation of visited(
          `${fault} disks of ${story.name}`,
          chooseMoments(operations),
          2,
        )) {
          await world.rewind();
          const problems = judgeRun(world, await runWithLasting(world, operation, fault), fault);
          problems.push(...judgeRun(world, await world.node.updater(['verify']), fault));
          const status = await world.node.updater(['status']);
          if (status.code !== 0 && status.code !== 1) problems.push(`status: ${status.stderr}`);
          await endLasting(world, fault);
          await tally.add(operation, `disk ${fault}`, problems);
        }
        const of = `${operations.length} operations`;
        expect(tally.end(`${story.name}, ${fault}`, of)).toStrictEqual([]);
      },
    );
  });
}

/** What must hold right after a run that met an error. */
function judgeRun(
  { story, before, ...world }: CrashWorld,
  { code, signal, stderr }: Outcome,
  fault?: LastingFault,
): string[] {
  const found = world.look();
  const problems = [...found.problems];
  if (code === null || code === 2) problems.push(`it ended with ${signal ?? code}: ${stderr}`);
  if (/^ {4}at /m.test(stderr)) problems.push(`a stack for an operator: ${stderr}`);
  if (before.version !== undefined && found.version === undefined) problems.push('nothing runs');
  if (found.floor < before.floor) problems.push('the floor went back');
  // Where no write is taken, or no lock, nothing can be switched; the marker says what is to be done.
  const mayStay = found.hasMarker && (fault === 'read-only' || stderr.includes('cannot lock'));
  if (story.breaks !== undefined && found.version === story.breaks && !mayStay) {
    problems.push(`${story.breaks}, which is broken, is left running (${code}): ${stderr}`);
  }
  return problems;
}

/** Recovers from every different state that errors left, and counts. */
class Tally {
  readonly #world: CrashWorld;
  readonly #recoveries = new Map<string, Recovery>();
  readonly #rows: Row[] = [];
  readonly #bad: string[] = [];

  constructor(world: CrashWorld) {
    this.#world = world;
  }

  async add(
    { role, call, path, nth }: FileOperation,
    fault: string,
    seen: string[],
  ): Promise<void> {
    const world = this.#world;
    const found = world.look();
    const known = this.#recoveries.get(found.fingerprint);
    const recovery = known ?? (await recover(world, found, true));
    this.#recoveries.set(found.fingerprint, recovery);
    const problems = [...seen, ...(known === undefined ? recovery.problems : [])];
    this.#bad.push(...problems.map((each) => `${fault} at ${call} ${path} #${nth}: ${each}`));
    const ms = known === undefined ? recovery.ms : undefined;
    const bad = seen.length + recovery.problems.length > 0;
    const { settled } = recovery;
    this.#rows.push({ story: world.story.name, role, call, fault, settled, bad, ms });
  }

  /** Prints and keeps the counts. Returns everything that was not as it must be. */
  end(name: string, of: string): readonly string[] {
    addToMatrix(name, this.#rows);
    console.log(`${name}: ${this.#rows.length} tried, ${of}`);
    return this.#bad;
  }
}
