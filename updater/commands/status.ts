/** `updater status`: one screen. Asks nobody: it tells what is known here. */
import { type Command } from '@landfall/cli';
import type { Host } from '../host.ts';
import { findHolder } from '../lock.ts';
import type { Settled } from '../machine.ts';
import { indexOf } from '../offer.ts';
import { describeHeld } from '../policy/judge.ts';
import { readClock } from '../records/clock.ts';
import { readHold } from '../records/hold-file.ts';
import { findFloor, type FloorEntry } from '../records/floor-file.ts';
import { readHealFile } from '../records/heal-file.ts';
import { readLastCheck, type LastCheck } from '../records/last-check-file.ts';
import { readQuiesced, type Quiesced } from '../records/quiesced-file.ts';
import { readSnapshots } from '../records/snapshot-file.ts';
import { RESTORE, snapshotOffered } from '../restore.ts';
import { openToLook } from './session.ts';
import { ago, describeProof, describeState } from './words.ts';

export const status: Command = {
  name: 'status',
  summary:
    'show what runs, since when, verified how, and what stands in the way of the next release',
  run(context) {
    const host = openToLook(context, new AbortController().signal);
    const { config, store, paths } = host;
    const floor = findFloor(store.floors, config.app, indexOf(config));
    const lastCheck = readLastCheck(paths.lastCheck);
    context.result(
      {
        app: config.app,
        state: store.state,
        running: store.state.running ?? null,
        inProgress: store.marker ?? null,
        atWork: findHolder(paths) ?? null,
        drift: store.drift ?? null,
        lost: store.lost ?? null,
        heal: healOf(host) ?? null,
        corrupt: store.corrupt,
        floor: floor ?? null,
        lastCheck: lastCheck ?? null,
        quarantine: store.quarantine.entries,
        deployments: store.deployments,
        snapshots: readSnapshots(paths.snapshots),
        stopped: readQuiesced(paths.quiesced) ?? null,
        webUser: config.web_user ?? null,
      },
      toLines(host, floor, lastCheck),
    );
  },
};

function toLines(
  host: Host,
  floor: FloorEntry | undefined,
  lastCheck: LastCheck | undefined,
): string[] {
  const { config, store } = host;
  const { marker, quarantine } = store;
  return [
    ...warnings(host),
    ...runningLines(host),
    ...(marker === undefined
      ? []
      : [
          row(
            'in progress',
            `${marker.to.version}, '${marker.phase}', attempt ${marker.attempt}; 'updater verify' settles it if no updater is at work`,
          ),
        ]),
    ...atWorkLines(host),
    row('floor', floor ? `sequence ${floor.sequence}, channel ${floor.channel}` : 'none yet'),
    ...availableLines(lastCheck),
    ...(quarantine.entries.length === 0 ? [row('quarantine', 'empty')] : []),
    ...quarantine.entries.map(({ version, at, reason }) =>
      row('quarantine', `${version} since ${at}: ${reason}`),
    ),
    ...dataLines(host),
    ...mirrorLines(lastCheck),
    row(
      'web user',
      config.web_user ?? "not configured: checked as the likely one, or as the updater's own",
    ),
  ];
}

function warnings({ store, paths }: Host): string[] {
  const corrupt = store.corrupt.map(
    ({ file, kept, reason }) =>
      `WARNING: '${file}' is corrupt: ${reason}. Nothing is installed as long as ${kept} lies in ${paths.state}`,
  );
  const drift = store.drift === undefined ? [] : [`WARNING: ${store.drift}`];
  const lost =
    store.lost === undefined
      ? []
      : [
          `WARNING: ${store.lost === 'link' ? `'${paths.current}' does not lead to what runs` : 'what runs is not on the disk any more'}; 'updater once' brings it back`,
        ];
  const held = readHold(paths.hold, readClock());
  const pause =
    held === undefined || 'over' in held
      ? []
      : [row('HELD', describeHeld(held).replace('held ', ''))];
  return [...pause, ...corrupt, ...drift, ...lost];
}

function runningLines(host: Host): string[] {
  const { config, store } = host;
  const { state } = store;
  const { running } = state;
  if (running === undefined) {
    const reason = state.name === 'rolled-back' ? `; ${describeState(state)}` : '';
    return [row(config.app, `nothing is installed${reason}`)];
  }
  const { deployment, since, proof, previous } = running;
  const verified =
    proof === undefined ? 'not verified here' : `${describeProof(proof)}, ${proof.at}`;
  return [
    row(config.app, `${deployment.version} (${deployment.id})`),
    row('since', `${since}${ago(since)}`),
    row('verified', verified),
    row('state', stateWords(state)),
    row('previous', previous?.version ?? 'none'),
    ...filesLines(host),
  ];
}

function healOf({ store, paths }: Host): ReturnType<typeof readHealFile> | undefined {
  const id = store.state.running?.deployment.id;
  return id === undefined ? undefined : readHealFile(paths.healFile, id);
}

/** Whether what runs is as it was installed. */
function filesLines(host: Host): string[] {
  const file = healOf(host);
  if (!host.config.heal.enabled || file === undefined) return [];
  const { full, problems, last } = file;
  const restored = last === undefined ? '' : `; restored ${last.what}, ${last.at}`;
  const whole = full === undefined ? 'not read yet' : `as installed, read ${full}${ago(full)}`;
  return [
    row('files', `${problems.length === 0 ? whole : 'NOT as installed'}${restored}`),
    ...problems.map((each) => row('', each)),
  ];
}

/** Who holds the lock; a holder that does nothing is worth a warning. */
function atWorkLines({ paths }: Host): string[] {
  const holder = findHolder(paths);
  if (holder === undefined) return [];
  const { pid, purpose, since, stopped } = holder;
  const when = since === undefined ? '' : ` since ${since}${ago(since)}`;
  const what = stopped
    ? `, STOPPED: 'kill -CONT ${pid}' lets it go on, 'kill -KILL ${pid}' ends it`
    : '';
  return [row('at work', `process ${pid} (${purpose})${when}${what}`)];
}

function stateWords(state: Settled): string {
  switch (state.name) {
    case 'probation':
      return `probation until ${state.until}`;
    case 'rolled-back':
      return `rolled-back from ${state.failed.version}: ${state.reason}`;
    case 'degraded':
      return `degraded: ${state.reason}`;
    default:
      return state.name;
  }
}

function availableLines(lastCheck: LastCheck | undefined): string[] {
  if (lastCheck === undefined)
    return [row('available', "not known: 'updater check' asks the mirrors")];
  const { at, newest, refusal } = lastCheck;
  const what = newest === undefined ? 'nothing' : `${newest.version} (sequence ${newest.sequence})`;
  const why = refusal === undefined ? '' : `; ${whyNot(refusal)}`;
  return [row('available', `${what}${why}; asked ${at}${ago(at)}`)];
}

function whyNot({ code, reason }: { code: string; reason: string }): string {
  if (code === 'up-to-date') return 'it runs';
  return code === 'quarantined'
    ? 'not installed: it is quarantined here'
    : `not installed: ${reason}`;
}

function mirrorLines(lastCheck: LastCheck | undefined): string[] {
  if (lastCheck === undefined) return [];
  const { mirrors, problems } = lastCheck;
  return [
    row('mirrors', `${mirrors - problems.length} of ${mirrors} without a problem`),
    ...problems.map(({ mirror, problem }) => row('', `'${mirror}' ${problem}`)),
  ];
}

function dataLines(host: Host): string[] {
  const stopped = readQuiesced(host.paths.quiesced);
  const offered = snapshotOffered(host);
  const last = readSnapshots(host.paths.snapshots).findLast((each) => each.made);
  return [
    ...(stopped === undefined ? [] : [row('stopped', stoppedWords(stopped))]),
    ...(last === undefined
      ? []
      : [row('snapshot', `${last.name}, from before ${last.before.version}`)]),
    ...(offered === undefined ? [] : [row('', `to bring ${offered.name} back: ${RESTORE}`)]),
  ];
}

function stoppedWords(stopped: Quiesced | 'corrupt'): string {
  const which = stopped === 'corrupt' ? 'not known what' : stopped.names.join(', ');
  return `${which}; 'updater verify' starts it if no updater is at work`;
}

function row(name: string, text: string): string {
  return `${name.padEnd(12)} ${text}`;
}
