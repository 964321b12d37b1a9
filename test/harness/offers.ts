/** What mirrors could offer, verified on paper only: for tests of whether a node takes it. */
import { artifactsOf, hostPlatform, type Manifest, serializeManifest } from '@landfall/manifest';
import { type Offer, selectOffer } from '../../updater/offer.ts';
import { exampleManifest } from './manifests.ts';

/** The example release for this machine's platform, changed by `change`. */
export function exampleOffer(change: (manifest: Manifest) => void = () => {}): Offer {
  const manifest = exampleManifest();
  for (const artifact of artifactsOf(manifest)) {
    if (artifact.platform !== 'any') artifact.platform = hostPlatform();
  }
  change(manifest);
  const bytes = serializeManifest(manifest);
  const offer = selectOffer({ manifest, bytes, sha256: 'a'.repeat(64), signers: [] }, []);
  if ('code' in offer) throw new Error(offer.reason);
  return offer;
}
