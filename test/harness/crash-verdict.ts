/** What must hold of a node that was stopped, and of one that was started again. */
import type { CrashWorld } from './crash-world.ts';
import type { Stop } from './crash-walk.ts';
import type { DiskState } from './disk-state.ts';

/** How a node came out of a stop. */
export interface Recovery {
  /** What runs after `verify`, before anything new is tried: what ran before the story, or another release. */
  settled: 'old' | 'new';
  /** Everything that was not as it must be; empty when all is well. */
  problems: string[];
  ms: number;
}

/** Whatever fault it was: what runs is whole, what is known is whole, and neither went back. */
export function judgeStops({ before, story }: CrashWorld, stops: readonly Stop[]): string[] {
  const problems: string[] = [];
  let floor = before.floor;
  const states = [before.state];
  for (const { operation, found } of stops) {
    const where = `after ${operation.call} ${operation.path} #${operation.nth}`;
    problems.push(...found.problems.map((problem) => `${where}: ${problem}`));
    if (before.version !== undefined && found.version === undefined) {
      problems.push(`${where}: nothing runs, where ${before.version} did`);
    }
    if (found.floor < floor) problems.push(`${where}: the floor went back to ${found.floor}`);
    floor = Math.max(floor, found.floor);
    if (states.at(-1) === found.state) continue;
    if (states.includes(found.state)) problems.push(`${where}: state.json went back`);
    states.push(found.state);
  }
  // It ended and said so: no fault may take that back.
  const last = stops.at(-1)?.found;
  if (last !== undefined && last.version !== story.ends(last)) {
    problems.push(`when all was done: ${last.version ?? 'nothing'} runs`);
  }
  return problems;
}

/**
 * Starts the node again, as a boot and the timer do: `updater verify`, then
 * `updater once`. It must end where it was going, serving it, with nothing
 * half-made left. `mayWait`: or the old release serves, and the new one is to be
 * tried again later.
 */
export async function recover(
  world: CrashWorld,
  stopped: DiskState,
  mayWait = false,
): Promise<Recovery> {
  const { node, story } = world;
  const started = performance.now();
  const problems: string[] = [];
  const verified = await node.updater(['verify']);
  if (verified.code !== 0 && verified.code !== 1) {
    problems.push(`verify ended with ${verified.code}: ${verified.stderr.trim()}`);
  }
  const settled = world.look();
  problems.push(...settled.problems);
  if (settled.hasMarker) problems.push('verify left the marker');
  if (settled.floor < stopped.floor) problems.push('the floor went back');
  const versions = [world.before.version, story.ends(stopped), ...story.tries];
  if (!versions.includes(settled.version)) {
    problems.push(`verify left ${settled.version ?? 'nothing'} running`);
  }
  const timer = await node.updater(['once']);
  const ended = world.look();
  // After a fault of the node's the release is tried again, but not at once: the old one serves until then.
  const waits = mayWait && timer.code === 0 && timer.stdout.includes('is tried again');
  const goal = waits ? ended.version : story.ends(stopped);
  problems.push(...ended.problems, ...(await judgeEnd(world, stopped, ended, goal)));
  // A download is gone on with when its release is tried again.
  const left = ended.leftovers.filter((name) => !waits || !name.endsWith('.unverified'));
  if (left.length > 0) problems.push(`left over: ${left.join(', ')}`);
  if (ended.version === undefined && world.before.version !== undefined)
    problems.push('nothing runs');
  if (timer.code === null || timer.code === 2) {
    problems.push(`once ended with ${timer.code}: ${timer.stderr.trim()}`);
  }
  return {
    settled: settled.version === world.before.version ? 'old' : 'new',
    problems,
    ms: Math.round(performance.now() - started),
  };
}

async function judgeEnd(
  world: CrashWorld,
  stopped: DiskState,
  ended: DiskState,
  goal: string | undefined,
): Promise<string[]> {
  const { node, before } = world;
  const problems: string[] = [];
  if (ended.version !== goal) {
    problems.push(`it ends on ${ended.version ?? 'nothing'}, expected ${goal ?? 'nothing'}`);
  }
  if (ended.hasMarker) problems.push('a marker is left in the end');
  if (ended.floor < Math.max(stopped.floor, before.floor)) problems.push('the floor went back');
  // A node that nothing was installed on yet has no file of its state: that is idle.
  const state = node.stateName() ?? (before.version === undefined ? 'idle' : undefined);
  if (!['committed', 'rolled-back', 'idle'].includes(state ?? 'none')) {
    problems.push(`its state is ${state ?? 'not there'}`);
  }
  if (goal !== undefined) {
    const page = await fetch(node.web.url).then((answer) => answer.text());
    if (!page.includes(`version ${goal}`)) problems.push(`it serves ${page.slice(0, 60)}`);
  }
  return problems;
}
