/**
 * Before anything is uploaded: does any mirror already hold artifacts of this
 * version, and are they ours? What is ours and whole needs no upload. Other
 * bytes under our names end the run, because one version has one set of bytes.
 * Changes nothing.
 */
import { join } from 'node:path';
import { artifactsOf } from '@landfall/manifest';
import { ReleaseError } from '../errors.ts';
import { alive, onEach } from '../mirror-progress.ts';
import { need, type Shipment } from '../shipment.ts';
import type { Show } from '../show.ts';
import { readServed } from './served.ts';

/**
 * Fills `held` of every mirror. Throws `ReleaseError` BYTES_DIFFER naming
 * files and mirrors, unless this very release is already published: then a
 * mirror with other bytes is damaged, and is sent the right ones.
 */
export async function compareMirrors(shipment: Shipment, show: Show): Promise<void> {
  const { mirrors, signal, version, folder } = shipment;
  const signed = need(shipment.signed, 'signed manifest');
  const artifacts = artifactsOf(signed.verified.manifest);
  const isPublished = shipment.survey?.best?.sha256 === signed.verified.sha256;
  const differing: string[] = [];
  await onEach(mirrors, 'compare', signal, async (progress) => {
    const { name } = progress.mirror;
    for (const [index, artifact] of artifacts.entries()) {
      show.live(name, `artifact ${index + 1} of ${artifacts.length}`);
      const verdict = await readServed(progress.mirror, {
        version,
        artifact,
        scratch: shipment.scratch,
        local: join(folder, artifact.file),
        signal,
      });
      if (verdict.kind === 'same') progress.held.add(artifact.file);
      if (verdict.kind === 'partial') {
        show.line(`${name}: '${artifact.file}' is there in part (${verdict.found})`);
      }
      if (verdict.kind !== 'different') continue;
      if (isPublished) show.line(`${name}: '${artifact.file}' is damaged there (${verdict.found})`);
      else differing.push(`'${artifact.file}' on '${name}' (${verdict.found})`);
    }
  });
  if (differing.length > 0) {
    throw new ReleaseError(
      'BYTES_DIFFER',
      `release ${version} is on mirrors with other bytes than here: ${differing.join(', ')}`,
      {
        hint: `choose a newer version; or ship from the machine that built those; or remove release v${version} from the mirrors if nobody can have it yet`,
      },
    );
  }
  const there = alive(mirrors).filter(({ held }) => held.size === artifacts.length).length;
  show.outcome(`${there} of ${mirrors.length} have all artifacts`);
}
