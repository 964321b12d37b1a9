/**
 * Tells how a release was built: composes the statement while that is known,
 * which is right after building, and signs it with the keys of this machine. A
 * release that was built before keeps the statement it has; another channel's
 * keys add their signatures.
 *
 * Stands in `.release/<version>/provenance.json`, signatures first, before the
 * manifest is signed: a crash in between builds and tells anew.
 */
import { join } from 'node:path';
import { writeFileDurably } from '@landfall/durable';
import { OtaError } from '@landfall/errors';
import {
  type Manifest,
  MAX_MANIFEST_BYTES,
  provenancePath,
  signaturePath,
} from '@landfall/manifest';
import { formatKeyId, type SecretKey, sign } from '@landfall/minisign';
import {
  gatherProvenance,
  isSigned,
  readProvenance,
  type SignedProvenance,
} from '@landfall/mirrors';
import { crashPoint } from '@landfall/cli';
import { readSmallFile } from '../files.ts';
import { composeProvenance, contradiction, parseProvenance } from '../provenance.ts';
import { need, type Shipment } from '../shipment.ts';
import type { Show } from '../show.ts';
import { versionFolder } from '../workspace.ts';

const NAME = 'provenance.json';

/** Fills in `shipment.provenance`, if anything is known. */
export async function tellProvenance(shipment: Shipment, show: Show): Promise<void> {
  const { packed, keys = [], version } = shipment;
  const isBuilt = packed !== undefined;
  const found = isBuilt ? unsigned(shipment) : await findProvenance(shipment);
  if (found === undefined) return show.outcome(`nothing is known of ${version}`);
  const signed = addSignatures(found, keys, shipment);
  if (!shipment.dryRun && signed !== found) keep(shipment, signed);
  if (signed.files.size === 1) return show.outcome('no key is here to sign it with');
  shipment.provenance = signed;
  show.outcome(
    isBuilt
      ? `${signed.files.size - 1} signature${signed.files.size === 2 ? '' : 's'}`
      : 'as it was told before',
  );
}

function unsigned(shipment: Shipment): SignedProvenance {
  const bytes = composeProvenance({
    settings: shipment.settings,
    version: shipment.version,
    source: need(shipment.source, 'source'),
    components: [...need(shipment.components, 'components')],
    begun: need(shipment.begun, 'build'),
    ended: new Date(),
  });
  return { bytes, files: new Map([[provenancePath(shipment.version), bytes]]) };
}

/**
 * What stands here, else what a mirror serves; nothing when neither can be believed. What a
 * build here told that was cut off may be of other bytes than those that were released since.
 */
async function findProvenance(shipment: Shipment): Promise<SignedProvenance | undefined> {
  const { version, expected, signal, settings, survey } = shipment;
  const manifest = manifestOf(shipment);
  const folder = versionFolder(settings, version);
  const read = async (path: string): Promise<Uint8Array | undefined> =>
    readSmallFile(join(folder, path.replace(provenancePath(version), NAME)), MAX_MANIFEST_BYTES);
  const here = await believed(gatherProvenance(version, expected.policy, read));
  if (here !== undefined && isAbout(here.bytes, manifest)) return here;
  // Told on a machine without a key: whoever signs the release signs this too.
  const told = readSmallFile(join(folder, NAME), MAX_MANIFEST_BYTES);
  if (told !== undefined && isAbout(told, manifest))
    return { bytes: told, files: new Map([[provenancePath(version), told]]) };
  for (const mirror of survey?.holders ?? []) {
    const found = await believed(readProvenance(mirror, version, expected.policy, { signal }));
    signal.throwIfAborted();
    if (found === undefined || !isAbout(found.bytes, manifest)) continue;
    if (!shipment.dryRun) keep(shipment, found);
    return found;
  }
  return undefined;
}

/** The release that is shipped, or that is signed anew. */
function manifestOf({ signed, draft, decision, reused }: Shipment): Manifest {
  const base = decision?.kind === 'reissue' ? decision.base : reused;
  return need(signed?.verified.manifest ?? draft?.manifest ?? base, 'release');
}

function isAbout(bytes: Uint8Array, manifest: Manifest): boolean {
  try {
    return contradiction(parseProvenance(bytes), manifest) === undefined;
  } catch (error) {
    if (error instanceof OtaError) return false;
    throw error;
  }
}

async function believed(
  reading: Promise<SignedProvenance | undefined>,
): Promise<SignedProvenance | undefined> {
  return reading.catch((error: unknown) => {
    if (error instanceof OtaError) return undefined;
    throw error;
  });
}

/** The same with a signature of each key; the first of all gets the plain name. */
function addSignatures(
  found: SignedProvenance,
  keys: readonly SecretKey[],
  { version, expected, settings }: Shipment,
): SignedProvenance {
  const path = provenancePath(version);
  const { bytes } = found;
  const signatures = new Map([...found.files].filter(([name]) => name !== path));
  const trustedComment = `app=${settings.app} version=${version} provenance`;
  for (const key of keys) {
    const own = { ...expected.policy, keys: [key.publicKey], threshold: 1 };
    if (isSigned(bytes, [...signatures.values()], own)) continue;
    const id = signatures.has(signaturePath(path)) ? formatKeyId(key.keyId) : undefined;
    const text = sign(key, bytes, { trustedComment });
    signatures.set(signaturePath(path, id), new TextEncoder().encode(text));
  }
  if (signatures.size === found.files.size - 1) return found;
  return { bytes, files: signatures.set(path, bytes) };
}

function keep({ settings, version }: Shipment, { files }: SignedProvenance): void {
  const folder = versionFolder(settings, version);
  for (const [path, bytes] of files) {
    const name = path.replace(provenancePath(version), NAME);
    writeFileDurably(join(folder, name), bytes, { mode: 0o644 });
  }
  crashPoint('ship-provenance-written');
}
