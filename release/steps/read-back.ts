/**
 * Reads every uploaded artifact back as a stranger would: hashed, and through
 * the mode gate. Only a mirror that serves all of them may get the index.
 */
import { join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { artifactFiles } from '@landfall/manifest';
import { ReleaseError } from '../errors.ts';
import { alive, failureText, type MirrorProgress, onEach } from '../mirror-progress.ts';
import { need, patienceOf, type Shipment } from '../shipment.ts';
import type { Show } from '../show.ts';
import { readServed } from './served.ts';

/** Completes `held` of every mirror that has not failed, or marks it as failed. */
export async function readArtifactsBack(shipment: Shipment, show: Show): Promise<void> {
  const { mirrors, signal, version, folder } = shipment;
  const artifacts = artifactFiles(need(shipment.signed, 'signed manifest').verified.manifest);
  const readAll = async (progress: MirrorProgress, stop: AbortSignal): Promise<void> => {
    const { name } = progress.mirror;
    for (const artifact of artifacts) {
      if (progress.held.has(artifact.file)) continue;
      show.live(name, artifact.file);
      const verdict = await readServed(progress.mirror, {
        version,
        artifact,
        scratch: shipment.scratch,
        local: join(folder, artifact.file),
        signal: stop,
      });
      if (verdict.kind !== 'same') throw notServed(name, artifact.file, verdict);
      progress.held.add(artifact.file);
      shipment.proofs?.note(progress.mirror, artifact, 'readBack');
      crashPoint('ship-artifact-read-back');
    }
  };
  await onEach(mirrors, 'read back', signal, readAll, patienceOf(shipment));
  for (const each of mirrors) {
    if (each.failure?.doing === 'read back') show.line(`${each.mirror.name}: ${failureText(each)}`);
  }
  show.outcome(`${alive(mirrors).length} of ${mirrors.length} serve every artifact`);
}

function notServed(
  mirror: string,
  file: string,
  verdict: { kind: string; found?: string },
): ReleaseError {
  return new ReleaseError(
    'READ_BACK',
    `mirror '${mirror}': does not serve what was uploaded: '${file}' is ${verdict.kind === 'absent' ? 'not found by an anonymous reader' : `something else: ${verdict.found}`}`,
    {
      hint:
        verdict.kind === 'absent'
          ? 'if another machine ships this version or prunes there, run it again when that is done; else the mirror must let anyone read its releases: a private repository cannot serve nodes'
          : 'look at what stands there: another machine may have shipped other bytes, or a cache or a proxy in between answers instead',
    },
  );
}
