/**
 * Before anything is uploaded: does any mirror already hold artifacts of this
 * version, and are they ours? What is ours and whole needs no upload. Other
 * bytes under our names end the run, because one version has one set of bytes.
 * Changes nothing but the journal.
 */
import { join } from 'node:path';
import { artifactFiles, type ReleaseFile } from '@landfall/manifest';
import { ReleaseError } from '../errors.ts';
import { alive, type MirrorProgress, onEach } from '../mirror-progress.ts';
import { Proofs, readProofs, wasPublished } from '../proofs.ts';
import { need, type Shipment } from '../shipment.ts';
import type { Show } from '../show.ts';
import { readServed } from './served.ts';

/**
 * Fills `held` of every mirror. Throws `ReleaseError` BYTES_DIFFER naming
 * files and mirrors, unless this release is already published: then a
 * mirror with other bytes is damaged, and is sent the right ones.
 */
export async function compareMirrors(shipment: Shipment, show: Show): Promise<void> {
  const { mirrors, signal, version, folder } = shipment;
  const signed = need(shipment.signed, 'signed manifest');
  const artifacts = artifactFiles(signed.verified.manifest);
  const published = isPublished(shipment);
  const differing: string[] = [];
  openProofs(shipment, show);
  await onEach(mirrors, 'compare', signal, async (progress) => {
    const { name } = progress.mirror;
    for (const [index, artifact] of artifacts.entries()) {
      show.live(name, `artifact ${index + 1} of ${artifacts.length}`);
      if (await isProven(shipment, progress, artifact)) {
        progress.held.add(artifact.file);
        show.line(`${name}: '${artifact.file}' was read back a moment ago`);
        continue;
      }
      const verdict = await readServed(progress.mirror, {
        version,
        artifact,
        scratch: shipment.scratch,
        local: join(folder, artifact.file),
        signal,
      });
      if (verdict.kind === 'same') {
        progress.held.add(artifact.file);
        shipment.proofs?.note(progress.mirror, artifact, 'readBack');
        continue;
      }
      shipment.proofs?.forget(progress.mirror, artifact);
      if (verdict.kind === 'partial') {
        show.line(`${name}: '${artifact.file}' is there in part (${verdict.found})`);
      }
      if (verdict.kind !== 'different') continue;
      if (published) show.line(`${name}: '${artifact.file}' is damaged there (${verdict.found})`);
      else differing.push(`'${artifact.file}' on '${name}' (${verdict.found})`);
    }
  });
  if (differing.length > 0) {
    throw new ReleaseError(
      'BYTES_DIFFER',
      `release ${version} is on mirrors with other bytes than here: ${differing.join(', ')}`,
      {
        hint: `choose a newer version; or ship from the machine that built those; or, if another channel has them, remove '.release/${version}' here and 'release promote' it; or remove release v${version} from the mirrors if nobody can have it yet`,
      },
    );
  }
  const there = alive(mirrors).filter(({ held }) => held.size === artifacts.length).length;
  show.outcome(`${there} of ${mirrors.length} have all artifacts`);
}

/** Whether nodes can have these artifacts already, by this manifest or by an earlier one of the version. */
function isPublished({ survey, signed, decision, settings, version }: Shipment): boolean {
  if (survey?.best?.sha256 === signed?.verified.sha256 || decision?.kind === 'reissue') return true;
  return readProofs(settings, version).some(({ sha256 }) =>
    wasPublished(settings, version, sha256),
  );
}

function openProofs(shipment: Shipment, show: Show): void {
  if (shipment.dryRun) return;
  const { verified } = need(shipment.signed, 'signed manifest');
  const { proofs, aside } = Proofs.open(shipment.settings, verified);
  shipment.proofs = proofs;
  if (aside !== undefined) show.line(`the journal was corrupt and is kept as '${aside}'`);
}

const STAT_DEADLINE_MS = 20_000;

/**
 * Whether a run that was cut off read these bytes back from this mirror a moment
 * ago, and it shows a file of that name and size still. A mirror that has the
 * index already is read in full: there is nothing to finish there, only to check.
 */
async function isProven(
  shipment: Shipment,
  { mirror }: MirrorProgress,
  artifact: ReleaseFile,
): Promise<boolean> {
  const { proofs, survey, signed, signal } = shipment;
  if (proofs?.isFresh(mirror, artifact) !== true) return false;
  const row = survey?.rows.find((each) => each.mirror === mirror);
  if (row?.verified?.sha256 === signed?.verified.sha256) return false;
  const limits = { maxBytes: artifact.size, deadlineMs: STAT_DEADLINE_MS, signal };
  const there = await mirror.statArtifact(shipment.version, artifact.file, limits);
  return there?.size === artifact.size;
}
