/** A round that hangs, where no watchdog of systemd's ends it: real processes, a short patience. */
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { beginLife, type Life } from '../../updater/life.ts';
import { beOwnProgram } from '../../updater/own-program.ts';
import { type Paths, pathsOf } from '../../updater/paths.ts';
import { type RoundOutcome, roundApart } from '../../updater/round-apart.ts';
import { traceOfWork, whileAtWork } from '../../updater/trace.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const PATIENCE_MS = 2000;

beOwnProgram(new URL('../harness/hanging-round.ts', import.meta.url).href);

function begin(): { life: Life; folder: string } {
  const folder = temporaryFolder();
  const life = beginLife(() => undefined, PATIENCE_MS);
  onTestFinished(() => life.end());
  return { life, folder };
}

describe('a round that leaves no trace', () => {
  it('is ended, though it does not listen, and says why', async () => {
    const { life, folder } = begin();
    const signal = new AbortController().signal;
    let begun = 0;
    const round = (hung: AbortSignal): Promise<RoundOutcome> =>
      roundApart([join(folder, 'root'), join(folder, 'state')], {
        signal,
        hung,
        onBegun: ({ root, state }) => {
          begun += 1;
          life.ready(pathsOf(root, state));
        },
      });
    expect(await life.during(round)).toMatchObject({
      how: 'left no trace for too long, and was ended',
      isMishap: true,
    });
    // The next one has its own patience.
    expect((await life.during(round)).how).toMatch(/^left no trace/);
    expect(begun).toBe(2);
  });

  it.each<[string, (paths: Paths) => () => void]>([
    [
      'downloads',
      ({ downloads }) => {
        mkdirSync(downloads, { recursive: true });
        return () => appendFileSync(join(downloads, 'part'), 'more');
      },
    ],
    [
      'unpacks one file deep below',
      ({ deployments }) => {
        const folder = join(deployments, '.staging-1.0.0/web-ui/assets');
        mkdirSync(folder, { recursive: true });
        return () => appendFileSync(join(folder, 'app.js'), 'more');
      },
    ],
    ['syncs file after file', (paths) => made(paths) && traceOfWork(paths, 100)],
    [
      'waits for another program',
      (paths) => {
        void (made(paths) && whileAtWork(paths, () => sleep(1.5 * PATIENCE_MS), 100));
        return () => {};
      },
    ],
  ])('is left alone as long as it %s', async (_, begins) => {
    const { life, folder } = begin();
    const paths = pathsOf(join(folder, 'root'), join(folder, 'state'));
    life.ready(paths);
    const work = begins(paths);
    const hung = await life.during(async (signal) => {
      const until = performance.now() + 1.5 * PATIENCE_MS;
      while (performance.now() < until && !signal.aborted) {
        work();
        await sleep(50);
      }
      return signal.aborted;
    });
    expect(hung).toBe(false);
  });
});

function made({ state }: Paths): true {
  mkdirSync(state, { recursive: true });
  return true;
}
