/**
 * Finishing a release that was begun: brings its artifacts into the folder,
 * from what is there already and else from mirrors that serve them. Artifacts
 * first, the manifest last, as when they were made.
 */
import { closeSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { makeDirectoryDurably, renameDurably, syncFile } from '@landfall/durable';
import { OtaError } from '@landfall/errors';
import { artifactFiles, artifactsOf, type Manifest, type ReleaseFile } from '@landfall/manifest';
import { downloadArtifact } from '@landfall/mirrors';
import { removeDrafts, waitingFolder } from '../drafts.ts';
import { ReleaseError } from '../errors.ts';
import { sha256File } from '../files.ts';
import { alive } from '../mirror-progress.ts';
import { need, type Shipment } from '../shipment.ts';
import type { Show } from '../show.ts';
import { fetchSigned, type SignedManifest } from '../signed.ts';
import { finishSigned, versionFolder, writeSigned } from '../workspace.ts';

/** The release that was signed here. Missing or damaged artifacts are fetched from mirrors. */
export async function resumeLocal(shipment: Shipment, show: Show): Promise<void> {
  const local = need(shipment.local, 'local manifest');
  shipment.folder = await folderFor(shipment, local.verified.manifest);
  const fetched = await obtainArtifacts(shipment, local.verified.manifest, show);
  if (!shipment.dryRun) {
    finishSigned(shipment.folder, shipment.channelPath, local);
    // A crash right after signing left it where it waited for that.
    const { channel, sequence } = local.verified.manifest;
    removeDrafts(shipment.settings, channel, sequence);
  }
  accept(shipment, local);
  show.outcome(
    `signed here, sequence ${local.verified.manifest.sequence}${fetched === 0 ? '' : `, ${fetched} artifacts fetched again`}`,
  );
}

/** The artifacts of a release that waits here for signatures. Missing or damaged ones are fetched from mirrors. */
export async function resumeDraft(shipment: Shipment, show: Show): Promise<void> {
  const { manifest } = need(shipment.draft, 'draft');
  shipment.folder = await folderFor(shipment, manifest);
  const fetched = await obtainArtifacts(shipment, manifest, show);
  shipment.components = manifest.components;
  show.outcome(`sequence ${manifest.sequence}${fetched === 0 ? '' : `, ${fetched} fetched again`}`);
}

/** The release that a mirror serves, taken over whole and verified. */
export async function adoptFromMirrors(shipment: Shipment, show: Show): Promise<void> {
  const { survey, channelPath, expected, signal } = shipment;
  const best = need(survey?.best, 'published manifest');
  const signed = await fetchFirst(shipment, best.sha256, (mirror) =>
    fetchSigned(mirror, channelPath, expected, signal),
  );
  shipment.folder = await folderFor(shipment, signed.verified.manifest);
  makeDirectoryDurably(shipment.folder);
  const fetched = await obtainArtifacts(shipment, signed.verified.manifest, show);
  if (!shipment.dryRun) writeSigned(shipment.folder, channelPath, signed);
  crashPoint('ship-adopted');
  accept(shipment, signed);
  show.outcome(`sequence ${best.manifest.sequence}, ${fetched} artifacts fetched`);
}

/**
 * The artifacts of a release that was made before and gets a new manifest:
 * those that stand here, the others from mirrors. A delta that is nowhere any
 * more is left out of the new manifest: going back to a good release must not
 * fail for what only saves a download.
 */
export async function takeArtifacts(shipment: Shipment, show: Show): Promise<void> {
  const { decision, reused } = shipment;
  const base = decision?.kind === 'reissue' ? decision.base : need(reused, 'artifacts');
  shipment.folder = await folderFor(shipment, base);
  makeDirectoryDurably(shipment.folder);
  const lost = new Set<string>();
  const fetched = await obtainArtifacts(shipment, base, show, lost);
  const kept = withoutDeltas(base, lost);
  if (decision?.kind === 'reissue') shipment.decision = { ...decision, base: kept };
  shipment.components = kept.components;
  show.outcome(`${artifactFiles(base).length} of ${base.version}, ${fetched} fetched`);
}

/**
 * Where the files of `manifest` are, or are brought to. A dry run adds nothing to what
 * stands here: where anything is missing it fetches all into its own folder.
 */
async function folderFor(shipment: Shipment, manifest: Manifest): Promise<string> {
  const here = versionFolder(shipment.settings, manifest.version);
  if (shipment.temporary === undefined) return here;
  for (const file of artifactFiles(manifest)) {
    if (!(await isWhole(join(here, file.file), file))) return shipment.temporary;
  }
  return here;
}

function accept(shipment: Shipment, signed: SignedManifest): void {
  shipment.signed = signed;
  shipment.components = signed.verified.manifest.components;
}

async function fetchFirst(
  shipment: Shipment,
  sha256: string,
  fetch: (
    mirror: NonNullable<Shipment['survey']>['holders'][number],
  ) => Promise<SignedManifest | undefined>,
): Promise<SignedManifest> {
  let last: unknown;
  for (const mirror of shipment.survey?.holders ?? []) {
    try {
      const signed = await fetch(mirror);
      if (signed?.verified.sha256 === sha256) return signed;
    } catch (error) {
      if (!(error instanceof OtaError)) throw error;
      last = error;
    }
  }
  throw new ReleaseError('READ_BACK', `no mirror serves release ${shipment.version} any more`, {
    cause: last,
    hint: 'they served it a moment ago: run it again',
  });
}

/** The same release without the deltas of these names. */
function withoutDeltas(manifest: Manifest, names: ReadonlySet<string>): Manifest {
  const kept = structuredClone(manifest);
  for (const artifact of artifactsOf(kept)) {
    artifact.deltas = artifact.deltas.filter(
      ({ file }) => typeof file !== 'string' || !names.has(file),
    );
  }
  return kept;
}

/**
 * Makes every file of the manifest stand in the folder with its signed bytes; how many were
 * fetched. With `lost`, deltas that cannot be had are added to it; else they end it as artifacts do.
 */
async function obtainArtifacts(
  shipment: Shipment,
  manifest: Manifest,
  show: Show,
  lost?: Set<string>,
): Promise<number> {
  let fetched = 0;
  for (const artifact of artifactFiles(manifest)) {
    const path = join(shipment.folder, artifact.file);
    if (await isWhole(path, artifact)) continue;
    try {
      await fetchArtifact(shipment, artifact, path, show);
      fetched += 1;
    } catch (error) {
      const isOptional = lost !== undefined && artifact.artifact === undefined;
      if (!isOptional || !(error instanceof ReleaseError)) throw error;
      lost.add(artifact.file);
      show.line(`${artifact.file}: on no mirror any more, left out`);
    }
  }
  return fetched;
}

/** Whether the artifact stands at `path` with its signed bytes. */
export async function isWhole(
  path: string,
  artifact: Omit<ReleaseFile, 'artifact'>,
): Promise<boolean> {
  if (statSync(path, { throwIfNoEntry: false })?.size !== artifact.size) return false;
  return (await sha256File(path)).sha256 === artifact.sha256;
}

async function fetchArtifact(
  shipment: Shipment,
  artifact: ReleaseFile,
  path: string,
  show: Show,
): Promise<void> {
  const { file, size, sha256 } = artifact;
  const unverified = `${path}.unverified`;
  const holders = shipment.survey?.holders ?? [];
  const others = alive(shipment.mirrors).map(({ mirror }) => mirror);
  try {
    const { fd, mirror } = await downloadArtifact([...new Set([...holders, ...others])], {
      version: shipment.version,
      file,
      size,
      sha256,
      frames: artifact.artifact?.frames,
      to: unverified,
      signal: shipment.signal,
      onProgress: (bytes, from) =>
        show.live(file, `${Math.floor((100 * bytes) / size)} % from ${from}`),
    });
    closeSync(fd);
    show.line(`${file}: fetched from ${mirror ?? 'what an earlier run left'}`);
  } catch (error) {
    if (shipment.signal.aborted || !(error instanceof OtaError)) throw error;
    const { settings, version } = shipment;
    const here = join(versionFolder(settings, version), file);
    const waits = waitingFolder(settings, version);
    throw new ReleaseError(
      'DAMAGED',
      `'${here}' is not what was signed, and no mirror has it: ${error.message}`,
      {
        cause: error,
        hint: `put the artifact back, or, if release ${version} reached no mirror, remove '.release/${version}'${waits === undefined ? '' : ` and '${waits}'`} and ship again`,
      },
    );
  }
  syncFile(unverified);
  rmSync(path, { force: true });
  renameDurably(unverified, path);
  crashPoint('ship-artifact-fetched');
}
