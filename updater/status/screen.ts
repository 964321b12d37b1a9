/**
 * The screen of `updater status`: at most 24 lines of 100 columns in all that
 * is usual. What needs a person comes first, what to do comes last.
 */
import { describeProof, describeState, lastResort } from '../commands/words.ts';
import type { Settled } from '../machine.ts';
import { describeHalted } from '../offer.ts';
import { describeHeld } from '../policy/judge.ts';
import { describeUpdater } from '../self/words.ts';
import { availableLines, failingLines, mirrorLines } from './offered.ts';
import { ago, ahead, NAME_COLUMNS, row, some, time } from './rows.ts';
import type { StatusView } from './view.ts';

/** A root document that ends within this time is worth a word. */
const ROOT_SOON_MS = 30 * 86_400_000;

/** The lines of `view` at `now`. None is cut: see `fit`. */
export function toScreen(view: StatusView, now: Date): string[] {
  return [
    ...warnings(view, now),
    ...runningLines(view, now),
    ...filesLines(view, now),
    ...workLines(view, now),
    ...availableLines(view, now),
    ...paceLines(view, now),
    ...some(
      view.quarantine.toReversed().map(({ version, at, reason }) => {
        return row('quarantine', `${version} since ${time(at)}: ${reason}`);
      }),
    ),
    ...(view.quarantine.length === 0 ? [row('quarantine', 'empty')] : []),
    ...dataLines(view),
    ...mirrorLines(view, now),
    row(
      'floor',
      view.floor ? `sequence ${view.floor.sequence}, channel ${view.floor.channel}` : 'none yet',
    ),
    ...trustLines(view, now),
    ...updaterLines(view),
    row(
      'web user',
      view.webUser ?? "not configured: checked as the likely one, or as the updater's own",
    ),
    row('to do', adviceWords(view)),
  ];
}

/** `lines` for a terminal of `columns`: a longer one goes on in the next line, and ends with … after that. */
export function fit(lines: readonly string[], columns: number): string[] {
  return lines.flatMap((line) => {
    if (line.length <= columns) return [line];
    const at = line.lastIndexOf(' ', columns);
    const cut = at > columns / 2 ? at : columns;
    const rest = `${' '.repeat(NAME_COLUMNS + 1)}${line.slice(cut).trimStart()}`;
    return [line.slice(0, cut), rest.length <= columns ? rest : `${rest.slice(0, columns - 1)}…`];
  });
}

function adviceWords({ advice: { what, command } }: StatusView): string {
  return command === undefined ? what : `${what}: ${command}`;
}

function warnings(view: StatusView, now: Date): string[] {
  const { held, halted, corrupt, drift, lost, adoption, folders, restored, lastCheck } = view;
  const where =
    lost === 'link'
      ? `'${folders.current}' does not lead to what runs`
      : 'what runs is not on the disk any more';
  return [
    ...(held === null ? [] : [row('HELD', describeHeld(held).replace(/^held,? /, ''))]),
    ...(halted === null ? [] : [`WARNING: ${describeHalted(halted)}. It runs here, and stays`]),
    ...corrupt.map(
      ({ file, kept, reason }) =>
        `WARNING: '${file}' is corrupt: ${reason}. Nothing is installed as long as ${kept} lies in ${folders.state}`,
    ),
    ...(drift === null ? [] : [`WARNING: ${drift}`]),
    ...(lost === null ? [] : [`WARNING: ${where}`]),
    ...(adoption === null ? [] : ['WARNING: an adoption is not finished; no update begins']),
    ...(restored === null ? [] : [`WARNING: ${restored.reason}`]),
    ...failingLines(view, now),
    ...some((lastCheck?.warnings ?? []).map(({ reason }) => `WARNING: ${reason}`)),
  ];
}

function runningLines({ app, state, golden }: StatusView, now: Date): string[] {
  const { running } = state;
  if (running === undefined) {
    const reason = state.name === 'rolled-back' ? `; ${describeState(state)}` : '';
    return [row(app, `nothing is installed${reason}`)];
  }
  const { deployment, since, proof, previous } = running;
  const verified = proof === undefined ? 'not verified here' : describeProof(proof);
  return [
    row(app, `${deployment.version} (${deployment.id})`),
    row('since', `${time(since)}${ago(since, now)}`),
    row('verified', verified),
    row('state', stateWords(state, now)),
    row('previous', previous?.version ?? 'none'),
    ...goldenLines(golden),
  ];
}

function goldenLines(golden: StatusView['golden']): string[] {
  if (golden === null) return [];
  const words =
    golden === 'corrupt'
      ? "golden.json makes no sense: 'updater golden VERSION' writes it anew"
      : `${golden.deployment.version}, pinned ${time(golden.at)}`;
  return [row('last resort', words)];
}

function stateWords(state: Settled, now: Date): string {
  switch (state.name) {
    case 'probation':
      return `probation until ${time(state.until)}${ahead(state.until, now)}`;
    case 'rolled-back':
      return `rolled-back from ${state.failed.version}${lastResort(state)}: ${state.reason}`;
    case 'degraded':
      return `degraded${lastResort(state)}: ${state.reason}`;
    default:
      return state.name;
  }
}

/** Whether what runs is as it was installed. */
function filesLines({ heal }: StatusView, now: Date): string[] {
  if (heal === null) return [];
  const { full, problems, last } = heal;
  const restored = last === undefined ? '' : `; restored ${last.what}, ${time(last.at)}`;
  const whole =
    full === undefined ? 'not read yet' : `as installed, read ${time(full)}${ago(full, now)}`;
  return [
    row('files', `${problems.length === 0 ? whole : 'NOT as installed'}${restored}`),
    ...some(problems.map((each) => row('', each))),
  ];
}

/** Who is at work, what is unfinished, what is stopped. A holder that does nothing is worth a warning. */
function workLines({ atWork, inProgress, stopped }: StatusView, now: Date): string[] {
  const lines: string[] = [];
  if (inProgress !== null) {
    const { to, phase, attempt } = inProgress;
    lines.push(row('in progress', `${to.version}, '${phase}', attempt ${attempt}`));
  }
  if (atWork !== null) {
    const { pid, purpose, since } = atWork;
    const when = since === undefined ? '' : ` since ${time(since)}${ago(since, now)}`;
    const what = atWork.stopped ? `, STOPPED; 'kill -KILL ${pid}' ends it` : '';
    lines.push(row('at work', `process ${pid} (${purpose})${when}${what}`));
  }
  if (stopped !== null) {
    lines.push(row('stopped', stopped === 'corrupt' ? 'not known what' : stopped.names.join(', ')));
  }
  return lines;
}

function paceLines({ windows, pace }: StatusView, now: Date): string[] {
  const lines: string[] = [];
  if (windows !== null) {
    const [word, at] = windows.open
      ? ['open until', windows.closes]
      : ['closed until', windows.opens];
    const when = at?.toISOString();
    lines.push(
      row(
        'window',
        when === undefined ? 'none opens in two weeks' : `${word} ${time(when)}${ahead(when, now)}`,
      ),
    );
  }
  if (pace.maxPerDay !== null) {
    lines.push(row('in 24 hours', `${pace.installsInADay} of at most ${pace.maxPerDay} installed`));
  }
  return lines;
}

function dataLines({ snapshots, snapshotType }: StatusView): string[] {
  const made = snapshots.filter((each) => each.made);
  const last = made.at(-1);
  if (last === undefined) {
    return snapshotType === null ? [] : [row('snapshots', 'none of the data yet')];
  }
  const restored = last.restored === undefined ? '' : `, brought back ${time(last.restored)}`;
  return [
    row('snapshots', `${made.length}; ${last.name}, before ${last.before.version}${restored}`),
  ];
}

/** Where a root document says who is believed. */
function trustLines({ trust }: StatusView, now: Date): string[] {
  if (trust === null) return [];
  if (trust === 'unasked')
    return [row('trust', 'the pinned root document; no mirror was asked yet')];
  const { version, expires, asked, problem } = trust;
  if (problem !== undefined) return [row('trust', `NOTHING IS INSTALLED: ${problem}`)];
  const left = Date.parse(expires) - now.getTime();
  const soon = left < ROOT_SOON_MS ? '; the maintainers must publish the next' : '';
  const when = asked === undefined ? '' : `; asked ${time(asked)}${ago(asked, now)}`;
  return [row('trust', `root document ${version} until ${time(expires)}${soon}${when}`)];
}

/** Where releases bring one. */
function updaterLines({ updater }: StatusView): string[] {
  const { link, refused } = updater;
  return link === null && refused === null ? [] : [row('updater', describeUpdater(updater))];
}
