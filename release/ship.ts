/**
 * What it takes to ship a release, in order. Each step begins only when what
 * the one before it promises is proven:
 *
 *   look → decide → build → gate → sign → compare → upload → read back
 *   → quorum → index → read index back → report
 *
 * Invariants: nothing is uploaded before the release is signed and on this
 * disk whole; no index names an artifact before its mirror has served it to a
 * stranger; a mirror that fails is left out and never stops the others.
 *
 * A crash anywhere is finished by running the same command again: what was
 * signed is shipped as it is, and what mirrors hold already is not sent again.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { gate, pack, recordBuild, runCommands } from './build.ts';
import { decide } from './decide.ts';
import { ReleaseError } from './errors.ts';
import { alive } from './mirror-progress.ts';
import { need, type Shipment, turnTo } from './shipment.ts';
import { runSteps, type ShowMode, type Step } from './show.ts';
import { compareMirrors } from './steps/compare.ts';
import { lookAtMirrors } from './steps/look.ts';
import { adoptFromMirrors, resumeLocal, takeArtifacts } from './steps/obtain.ts';
import {
  publishIndex,
  readIndexBack,
  requireArtifactQuorum,
  withoutIndex,
} from './steps/publish.ts';
import { readArtifactsBack } from './steps/read-back.ts';
import { composeManifest, openKeys, signManifest } from './steps/sign.ts';
import { sourceOf } from './steps/source.ts';
import { isDone, uploadArtifacts } from './steps/upload.ts';
import { notesOf } from './notes.ts';
import { sayDecision } from './reissue.ts';
import { findSituation, reuseArtifacts } from './situation.ts';
import { versionFolder, writeSigned } from './workspace.ts';

/** How a publication is decided on: what `release ship` does, or one of its relatives. */
export type Decide = Step<Shipment>['run'];

/** The whole list. With `dryRun` it ends after `compare`. */
export function shipSteps(dryRun: boolean, decideHow: Decide): Step<Shipment>[] {
  const prepare: Step<Shipment>[] = [
    { title: 'look at all mirrors', run: lookAtMirrors },
    { title: 'decide', run: decideHow },
    { title: 'look at the source', when: isNew, run: lookAtSource },
    { title: 'open the keys', when: isSigning, run: openSecretKeys, asks: true },
    { title: 'take it from here', when: isResume, run: resumeLocal },
    { title: 'take it from a mirror', when: isAdopt, run: adoptFromMirrors },
    { title: 'take the artifacts as they are', when: isReissue, run: takeArtifacts },
    { ...runCommands, when: isBuilding },
    { ...pack, when: isBuilding },
    gate,
    { title: 'sign', when: isSigning, run: signRelease },
    { title: 'see what mirrors hold', run: compareMirrors },
  ];
  const publish: Step<Shipment>[] = [
    { title: 'upload', skip: whenAllDone, run: uploadArtifacts },
    { title: 'read back', skip: whenAllDone, run: readBack },
    { title: 'quorum', run: requireArtifactQuorum },
    { title: 'index', skip: whenAllIndexed, run: publishIndex },
    { title: 'read the index back', run: readIndexBack },
  ];
  return dryRun ? prepare : [...prepare, ...publish];
}

/** Runs the list. Throws what ends it; what one mirror did is in `shipment.mirrors`. */
export async function ship(
  shipment: Shipment,
  mode: ShowMode,
  decideHow: Decide = decideWhat,
): Promise<void> {
  const temporary = shipment.dryRun ? mkdtempSync(join(tmpdir(), 'landfall-dry-run-')) : undefined;
  if (temporary !== undefined) shipment.temporary = temporary;
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
    rmSync(temporary ?? shipment.scratch, { recursive: true, force: true });
  }
}

const decideWhat: Decide = (shipment, show) => {
  const decision = decide(findSituation(shipment));
  shipment.decision = decision;
  if (decision.kind !== 'new') return sayDecision(shipment, show);
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
  shipment.keys = await openKeys(shipment.settings);
  show.outcome(`${shipment.keys.length} opened`);
};

const signRelease: Step<Shipment>['run'] = (shipment, show) => {
  const decision = need(shipment.decision, 'decision');
  if (decision.kind !== 'new' && decision.kind !== 'reissue') return;
  if (!shipment.dryRun) recordBuild(shipment);
  const manifest = composeManifest(shipment, decision, new Date());
  const signed = signManifest(manifest, need(shipment.keys, 'keys'), shipment);
  const isReal = shipment.folder === versionFolder(shipment.settings, shipment.version);
  if (!shipment.dryRun || !isReal) writeSigned(shipment.folder, shipment.channelPath, signed);
  crashPoint('ship-signed');
  shipment.signed = signed;
  show.outcome(`sequence ${manifest.sequence}, by ${signed.verified.signers.join(', ')}`);
};

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

function isSigning(shipment: Shipment): boolean {
  return isNew(shipment) || isReissue(shipment);
}

function isResume({ decision }: Shipment): boolean {
  return decision?.kind === 'resume';
}

function isAdopt({ decision }: Shipment): boolean {
  return decision?.kind === 'adopt';
}

/** Not when the artifacts of another channel's release are shipped again. */
function isBuilding(shipment: Shipment): boolean {
  return isNew(shipment) && shipment.components === undefined;
}

function whenAllDone(shipment: Shipment): string | undefined {
  const done = alive(shipment.mirrors).every((each) => isDone(shipment, each));
  return done ? 'every mirror has them' : undefined;
}

function whenAllIndexed(shipment: Shipment): string | undefined {
  return withoutIndex(shipment).length === 0 ? 'every mirror has it' : undefined;
}
