/**
 * Looks at every mirror before anything is done: may we publish there, and
 * what does it serve? Changes nothing.
 */
import { formatDuration } from '@landfall/cli';
import { indexPath, ManifestError, MAX_MANIFEST_BYTES, parseManifest } from '@landfall/manifest';
import { surveyMirrors } from '@landfall/mirrors';
import { ReleaseError } from '../errors.ts';
import { findFloor } from '../floor.ts';
import { alive, fail, failureText, type MirrorProgress, onEach } from '../mirror-progress.ts';
import { nextCommand, type Shipment } from '../shipment.ts';
import type { Show } from '../show.ts';
import { newestSignedHere } from '../situation.ts';
import { needsRenewal, startHaltRun } from './halts.ts';
import { checkRootLife, mirrorsWithoutRoots, requireNewestRoot } from './roots.ts';

/**
 * Checks and surveys all mirrors at once. Throws `ReleaseError` NO_QUORUM when
 * too few can be published to, EQUIVOCATION, UNTRUSTED_MIRRORS.
 */
export async function lookAtMirrors(shipment: Shipment, show: Show): Promise<void> {
  const { mirrors, signal, expected, channelPath, settings } = shipment;
  const checks = onEach(mirrors, 'check', signal, async ({ mirror }) => {
    await mirror.checkWritable({ signal });
  });
  const survey = await surveyMirrors(
    mirrors.map(({ mirror }) => mirror),
    { app: settings.app, channel: channelPath, policy: expected.policy, signal },
  );
  await checks;
  shipment.survey = survey;
  for (const [index, row] of survey.rows.entries()) {
    const progress = mirrors[index];
    if (progress === undefined) continue;
    const { problem } = row;
    if (problem === undefined) continue;
    if (isAway(problem.code)) fail(progress, 'look', problem);
    if (problem.code === 'UNTRUSTED') await leaveOthersAlone(progress, shipment);
  }
  for (const [index, row] of survey.rows.entries()) {
    const progress = mirrors[index];
    if (progress === undefined) continue;
    show.line(describeRow(progress, row));
  }
  refuseEquivocation(shipment);
  await lookAtRoots(shipment, show);
  refuseUntrusted(shipment);
  refuseOtherDefault(shipment);
  await lookAtHalts(shipment, show);
  requireQuorum(mirrors, shipment.quorum, 'can be published to');
  show.outcome(`${alive(mirrors).length} of ${mirrors.length} can be published to`);
}

/** Which mirrors lack root documents, and what the channel goes on from if its keys were replaced. */
async function lookAtRoots(shipment: Shipment, show: Show): Promise<void> {
  const { mirrors, settings, signal } = shipment;
  await requireNewestRoot(mirrors, settings, signal);
  checkRootLife(settings, show);
  shipment.withoutRoots = await mirrorsWithoutRoots(mirrors, settings, signal);
  const floor = await findFloor(shipment);
  if (floor === undefined) return;
  shipment.floor = floor;
  const { version, sequence } = floor.manifest;
  show.line(
    `the keys were replaced after ${version} (sequence ${sequence}): it goes on from there`,
  );
}

/** Mirrors whose halt file nodes do not believe: it is replaced first, or they are left out. */
async function lookAtHalts(shipment: Shipment, show: Show): Promise<void> {
  const run = startHaltRun(shipment, shipment.mirrors);
  try {
    if (await needsRenewal(run, show)) shipment.halts = run;
  } catch (error) {
    if (!(error instanceof ReleaseError) || error.code !== 'HALT_UNKNOWN') throw error;
    for (const { mirror } of run.doubted) {
      const progress = shipment.mirrors.find((each) => each.mirror === mirror);
      if (progress !== undefined) fail(progress, 'look', error);
    }
    show.line(error.message);
    if (error.hint !== undefined) show.line(`  ${error.hint}`);
  }
}

/** Problems that mean the mirror cannot be used; all others are about an index that is ours to replace. */
function isAway(code: string): boolean {
  return [
    'WRONG_APP',
    'UNREACHABLE',
    'TIMEOUT',
    'TOO_SLOW',
    'REDIRECT_REFUSED',
    'FORBIDDEN',
    'UNAUTHORIZED',
  ].includes(code);
}

/**
 * An index that does not verify is replaced: an earlier run may have been
 * killed in the middle of it. But one that says it is another app's stays.
 */
async function leaveOthersAlone(progress: MirrorProgress, shipment: Shipment): Promise<void> {
  const { mirror } = progress;
  const { settings, channelPath, signal } = shipment;
  const limits = { maxBytes: MAX_MANIFEST_BYTES, deadlineMs: 15_000, signal };
  const unverified = await mirror.readIndex(indexPath(channelPath), limits).catch(() => undefined);
  if (unverified === undefined) return;
  const claimed = claimedApp(unverified);
  if (claimed === undefined || claimed === settings.app) return;
  const error = new ReleaseError(
    'UNTRUSTED_MIRRORS',
    `holds an index of another app: expected '${settings.app}', found '${claimed}'`,
    { hint: 'check its address in the configuration; its index is not touched' },
  );
  fail(progress, 'look', error);
}

/** Which app unverified bytes say they are of. Believed only as a reason to keep off. */
function claimedApp(unverified: Uint8Array): string | undefined {
  try {
    return parseManifest(unverified).app;
  } catch (error) {
    if (error instanceof ManifestError) return undefined;
    throw error;
  }
}

function describeRow(
  progress: MirrorProgress,
  row: NonNullable<Shipment['survey']>['rows'][number],
): string {
  const { name } = progress.mirror;
  if (progress.failure !== undefined) return `${name}: left out: ${failureText(progress)}`;
  if (row.verified !== undefined) {
    const { version, sequence } = row.verified.manifest;
    return `${name}: has ${version} (sequence ${sequence}), ${formatDuration(row.ms)}`;
  }
  if (row.problem?.code === 'NOT_FOUND') return `${name}: has no release yet`;
  return `${name}: its index is not valid: ${row.problem?.message ?? 'no answer'}`;
}

/** Two validly signed manifests of one sequence at the top: somebody must look before anything is added. */
function refuseEquivocation({ survey }: Shipment): void {
  if (survey?.equivocation === undefined || survey.best !== undefined) return;
  const rows = survey.equivocation;
  const sequence = rows[0]?.verified?.manifest.sequence;
  const who = rows.map(
    (row) =>
      `'${row.mirror.name}' ${row.verified?.manifest.version} (${row.verified?.sha256.slice(0, 12)}…)`,
  );
  throw new ReleaseError(
    'EQUIVOCATION',
    `mirrors serve different manifests of sequence ${sequence}: ${who.join(', ')}`,
    {
      hint: 'both are signed with your keys: find out who signed which, and remove the wrong index from its mirror',
    },
  );
}

/**
 * A mirror with a bad index is repaired in passing. But when no mirror has a
 * good one and some have one that others signed, then the keys here are not
 * the ones that nodes trust.
 */
function refuseUntrusted(shipment: Shipment): void {
  const { survey } = shipment;
  if (survey === undefined || survey.best !== undefined || shipment.local !== undefined) return;
  if (shipment.floor !== undefined) return;
  const used = new Set(alive(shipment.mirrors).map(({ mirror }) => mirror.name));
  const bad = survey.rows.filter(
    ({ mirror, problem }) =>
      used.has(mirror.name) && ['UNTRUSTED', 'WRONG_CHANNEL'].includes(problem?.code ?? ''),
  );
  const [first] = bad;
  if (first?.problem === undefined) return;
  const begun = newestSignedHere(shipment);
  throw new ReleaseError(
    'UNTRUSTED_MIRRORS',
    `no mirror has a valid index, and ${bad.length === 1 ? `'${first.mirror.name}' has one` : `${bad.length} have one`} that is not yours: ${first.problem.message}`,
    {
      cause: first.problem,
      hint:
        begun === undefined
          ? "check 'app', 'mirrors' and 'keys.public' in the configuration; nodes would refuse this release too"
          : `if shipping ${begun.version} was interrupted, finish it first: ${nextCommand({ ...shipment, version: begun.version })}; else check 'keys.public' and the mirrors`,
    },
  );
}

/** `releases/manifest.json` is the default channel's, whatever its name: it must be the name we know. */
function refuseOtherDefault({ survey, channel, channelPath }: Shipment): void {
  const found = survey?.best?.manifest.channel;
  if (channelPath !== undefined || found === undefined || found === channel) return;
  throw new ReleaseError(
    'CONFIG_INVALID',
    `the mirrors' default channel has another name: expected '${channel}', found '${found}'`,
    {
      hint: `set channel: '${found}' in the configuration, or ship with --channel for a channel beside it`,
    },
  );
}

/** Throws `ReleaseError` NO_QUORUM naming who is missing and why. */
export function requireQuorum(
  mirrors: readonly MirrorProgress[],
  quorum: number,
  what: string,
): void {
  const found = alive(mirrors).length;
  if (found >= quorum) return;
  const failed = mirrors.filter(({ failure }) => failure !== undefined);
  const away = failed.map((each) => `'${each.mirror.name}': ${failureText(each)}`);
  const first = failed.find(({ failure }) => failure?.error.hint !== undefined)?.failure?.error
    .hint;
  throw new ReleaseError(
    'NO_QUORUM',
    `too few mirrors: expected at least ${quorum} of ${mirrors.length} that ${what}, found ${found}: ${away.join('; ')}`,
    {
      hint: `${first === undefined ? '' : `${first}; `}no index was changed: run it again when they are back, or accept fewer with --quorum N`,
    },
  );
}
