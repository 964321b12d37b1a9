/**
 * What it takes to ship a release, in order. Each step begins only when what
 * the one before it promises is proven:
 *
 *   look → decide → build → gate → deltas → sign → compare → upload → read back
 *   → quorum → index → read index back → report
 *
 * Invariants: nothing is uploaded before the release is signed and on this
 * disk whole; no index names an artifact before its mirror has served it to a
 * stranger; a mirror that fails is left out and never stops the others.
 *
 * A crash anywhere is finished by running the same command again: what was
 * signed is shipped as it is, and what mirrors hold already is not sent again.
 */
import { rmSync } from 'node:fs';
import { crashPoint } from '@landfall/cli';
import { withScratchFolder } from '@landfall/mirrors';
import { gate, pack, recordBuild, runCommands } from './build.ts';
import { removeDrafts } from './drafts.ts';
import { ReleaseError } from './errors.ts';
import { openKeys } from './keys.ts';
import { alive } from './mirror-progress.ts';
import { need, type Shipment, turnTo } from './shipment.ts';
import { describeSteps } from './rollout.ts';
import { runSteps, type ShowMode, type Step } from './show.ts';
import { compareMirrors } from './steps/compare.ts';
import { makeDeltas } from './steps/deltas.ts';
import { carryFailures, renewHalt } from './steps/halts.ts';
import { lookAtMirrors, requireQuorum } from './steps/look.ts';
import { adoptFromMirrors, resumeDraft, resumeLocal, takeArtifacts } from './steps/obtain.ts';
import {
  publishIndex,
  readIndexBack,
  requireArtifactQuorum,
  withoutIndex,
} from './steps/publish.ts';
import { tellProvenance } from './steps/provenance.ts';
import { readArtifactsBack } from './steps/read-back.ts';
import { composeManifest, signDraft, signManifest } from './steps/sign.ts';
import { sourceOf } from './steps/source.ts';
import { isDone, uploadArtifacts } from './steps/upload.ts';
import { notesOf } from './notes.ts';
import { sayDecision, sayStepsStay } from './reissue.ts';
import { decideHere, reuseArtifacts } from './situation.ts';
import { describeCount, isWaiting } from './waiting.ts';
import { versionFolder, writeSigned } from './workspace.ts';

/** How a publication is decided on: what `release ship` does, or one of its relatives. */
export type Decide = Step<Shipment>['run'];

/** The whole list. With `dryRun` it ends after `compare`. */
export function shipSteps(dryRun: boolean, decideHow: Decide): Step<Shipment>[] {
  const prepare: Step<Shipment>[] = [
    { title: 'look at all mirrors', run: lookAtMirrors },
    ...(dryRun ? [] : [renewHalts]),
    { title: 'decide', run: decideHow },
    { title: 'look at the source', when: isNew, run: lookAtSource },
    { title: 'open the keys', when: isSigning, run: openSecretKeys, asks: true },
    { title: 'take it from here', when: isResume, run: resumeLocal },
    { title: 'take what waits for signatures', when: isCollect, run: resumeDraft },
    { title: 'take it from a mirror', when: isAdopt, run: adoptFromMirrors },
    { title: 'take the artifacts as they are', when: isTaking, run: takeArtifacts },
    { ...runCommands, when: isBuilding },
    { ...pack, when: isBuilding },
    gate,
    { title: 'make deltas', when: isDeltaing, run: addDeltas },
    { title: 'tell how it was built', run: tellProvenance },
    { title: 'sign', when: isSigning, run: signRelease },
  ];
  const publish: Step<Shipment>[] = [
    { title: 'see what mirrors hold', run: compareMirrors },
    { title: 'upload', skip: whenAllDone, run: uploadArtifacts },
    { title: 'read back', skip: whenAllDone, run: readBack },
    { title: 'quorum', run: requireArtifactQuorum },
    { title: 'index', skip: whenAllIndexed, run: publishIndex },
    { title: 'read the index back', run: readIndexBack },
  ];
  const after = dryRun ? publish.slice(0, 1) : publish;
  // What is not signed by enough goes nowhere.
  return [...prepare, ...after.map((step) => ({ ...step, when: isSigned }))];
}

/** Runs the list. Throws what ends it; what one mirror did is in `shipment.mirrors`. */
export async function ship(
  shipment: Shipment,
  mode: ShowMode,
  decideHow: Decide = decideWhat,
): Promise<void> {
  if (!shipment.dryRun) return runList(shipment, mode, decideHow);
  await withScratchFolder('dry-run', async (temporary) => {
    shipment.temporary = temporary;
    await runList(shipment, mode, decideHow);
  });
}

async function runList(shipment: Shipment, mode: ShowMode, decideHow: Decide): Promise<void> {
  try {
    turnTo(shipment, shipment.version);
    await runSteps(shipSteps(shipment.dryRun, decideHow), shipment, mode);
  } catch (error) {
    if (!shipment.signal.aborted) throw error;
    throw new ReleaseError('INTERRUPTED', `shipping ${shipment.version} was interrupted`, {
      cause: error,
      hint: 'run the same command again: it goes on from where it was',
    });
  } finally {
    for (const key of shipment.keys ?? []) key.destroy();
    rmSync(shipment.scratch, { recursive: true, force: true });
  }
}

/** Before anything is built or signed: what people must sign comes first, and nodes take nothing without it. */
const renewHalts: Step<Shipment> = {
  title: 'sign what is halted anew',
  when: ({ halts }) => halts !== undefined,
  asks: true,
  async run({ halts, mirrors, quorum }, show) {
    const run = need(halts, 'halts');
    await renewHalt(run, show);
    carryFailures(run, mirrors);
    requireQuorum(mirrors, quorum, 'say what is halted');
  },
};

const decideWhat: Decide = (shipment, show) => {
  const decision = decideHere(shipment);
  shipment.decision = decision;
  if (decision.kind !== 'new') {
    sayStepsStay(shipment, show);
    return sayDecision(shipment, show);
  }
  show.outcome(`new release ${shipment.version}, sequence ${decision.place.sequence}`);
  shipment.notes = notesOf(shipment.settings, shipment.version);
  reuseArtifacts(shipment);
};

const lookAtSource: Step<Shipment>['run'] = async (shipment, show) => {
  const { directory } = shipment.settings;
  const source = await sourceOf(directory, { requireClean: true });
  shipment.source = source;
  show.outcome(
    source.commit === '' ? 'not a git checkout' : `clean, at ${source.commit.slice(0, 12)}`,
  );
  if (source.clock === 'now') {
    show.line('note: no commit and no SOURCE_DATE_EPOCH: files get the time of this build');
  }
};

const openSecretKeys: Step<Shipment>['run'] = async (shipment, show) => {
  const { keys, notes } = await openKeys(shipment);
  shipment.keys = keys;
  for (const note of notes) show.line(note);
  show.outcome(`${keys.length} opened`);
};

const signRelease: Step<Shipment>['run'] = (shipment, show) => {
  const { decision, draft, dryRun, folder, settings, channelPath } = shipment;
  const keys = need(shipment.keys, 'keys');
  if (decision?.kind === 'new' || decision?.kind === 'reissue') {
    if (!dryRun) recordBuild(shipment);
  }
  const signed =
    decision?.kind === 'new' || decision?.kind === 'reissue'
      ? signManifest(composeManifest(shipment, decision, new Date()), keys, shipment)
      : signDraft(need(draft, 'draft'), keys, shipment);
  if (isWaiting(signed)) {
    shipment.waiting = signed;
    return show.outcome(`sequence ${signed.manifest.sequence}, ${describeCount(signed)}`);
  }
  const { manifest, signers } = signed.verified;
  const isReal = folder === versionFolder(settings, shipment.version);
  if (!dryRun || !isReal) writeSigned(folder, channelPath, signed);
  crashPoint('ship-signed');
  if (!dryRun) removeDrafts(settings, manifest.channel, manifest.sequence);
  shipment.signed = signed;
  if (manifest.rollout.steps.length > 0) {
    for (const line of describeSteps(manifest)) show.line(`it goes out ${line}`);
  }
  show.outcome(`sequence ${manifest.sequence}, by ${signers.join(', ')}`);
};

const addDeltas: Step<Shipment>['run'] = (shipment, show) =>
  makeDeltas(shipment, async () => shipment, show);

const readBack: Step<Shipment>['run'] = async (shipment, show) => {
  crashPoint('ship-uploaded');
  await readArtifactsBack(shipment, show);
  crashPoint('ship-read-back');
};

function isNew({ decision }: Shipment): boolean {
  return decision?.kind === 'new';
}

function isReissue({ decision }: Shipment): boolean {
  return decision?.kind === 'reissue';
}

/** Also when the artifacts of another channel's release are shipped again. */
function isTaking(shipment: Shipment): boolean {
  return isReissue(shipment) || shipment.reused !== undefined;
}

function isCollect({ decision }: Shipment): boolean {
  return decision?.kind === 'collect';
}

function isSigning(shipment: Shipment): boolean {
  return isNew(shipment) || isReissue(shipment) || isCollect(shipment);
}

function isSigned({ waiting }: Shipment): boolean {
  return waiting === undefined;
}

function isResume({ decision }: Shipment): boolean {
  return decision?.kind === 'resume';
}

function isAdopt({ decision }: Shipment): boolean {
  return decision?.kind === 'adopt';
}

/** Only to what was built in this run: what was released before has its deltas. */
function isDeltaing({ settings, packed }: Shipment): boolean {
  return settings.deltas > 0 && packed !== undefined;
}

function isBuilding(shipment: Shipment): boolean {
  return isNew(shipment) && shipment.reused === undefined;
}

function whenAllDone(shipment: Shipment): string | undefined {
  const done = alive(shipment.mirrors).every((each) => isDone(shipment, each));
  return done ? 'every mirror has them' : undefined;
}

function whenAllIndexed(shipment: Shipment): string | undefined {
  return withoutIndex(shipment).length === 0 ? 'every mirror has it' : undefined;
}
