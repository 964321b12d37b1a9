/**
 * What a channel goes on from after its keys were replaced. Manifests that only
 * the old keys signed are believed by nobody any more, also when they were
 * good; the root document says by its floor, by digest, which of them was the
 * last. So no signature is asked for here: the digest is signed by the root keys.
 * Changes nothing but the cache of the index.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { indexPath, MAX_MANIFEST_BYTES, parseManifest } from '@landfall/manifest';
import { historyPath, openScratch } from '@landfall/mirrors';
import type { Known } from './decide.ts';
import { ReleaseError } from './errors.ts';
import { readSmallFile } from './files.ts';
import { blobIn, commitsOf } from './index-git.ts';
import { orNothing } from './known.ts';
import { alive } from './mirror-progress.ts';
import { need, type Shipment } from './shipment.ts';
import { listVersions, versionFolder, workspaceOf } from './workspace.ts';

const DEADLINE_MS = 20_000;
/** So many manifests of a channel are looked at in the history of the index, newest first. */
const MAX_HISTORY = 200;

interface Floor {
  readonly sequence: number;
  readonly sha256: string;
}

type Reader = () => AsyncGenerator<Uint8Array | undefined> | Generator<Uint8Array | undefined>;

/**
 * The manifest that the newest floor of the channel names, unless a mirror has
 * it or a later one that today's keys signed. Undefined when there is no floor. Throws
 * `ReleaseError` NOT_PUBLISHED when it is nowhere to be found.
 */
export async function findFloor(shipment: Shipment): Promise<Known | undefined> {
  const { settings, channel, survey } = shipment;
  const { best } = need(survey, 'survey');
  const floor = settings.roots
    .toReversed()
    .flatMap(({ root }) => (root.floors ?? []).find((each) => each.channel === channel) ?? [])[0];
  if (floor === undefined) return undefined;
  // Nodes have this floor: what they would refuse, however well signed, is not gone on from.
  if (best !== undefined && best.manifest.sequence >= floor.sequence) return undefined;
  const places: Reader[] = [
    () => inWorkspace(shipment),
    () => onMirrors(shipment, floor),
    () => inGitHistory(shipment),
  ];
  for (const place of places) {
    for await (const bytes of place()) {
      if (bytes === undefined || digestOf(bytes) !== floor.sha256) continue;
      return { manifest: parseManifest(bytes), sha256: floor.sha256 };
    }
  }
  throw new ReleaseError(
    'NOT_PUBLISHED',
    `the last good release of channel '${channel}' is not here and on no mirror: expected the manifest of sequence ${floor.sequence} with sha256 ${floor.sha256}`,
    { hint: "put it back as '.release/VERSION/manifest.json': the root document names it" },
  );
}

function* inWorkspace({ settings, channelPath }: Shipment): Generator<Uint8Array | undefined> {
  for (const version of listVersions(settings)) {
    const path = join(versionFolder(settings, version), channelPath ?? '', 'manifest.json');
    yield readSmallFile(path, MAX_MANIFEST_BYTES);
  }
}

/** What mirrors serve now, and what directory mirrors kept under its name. */
async function* onMirrors(
  { mirrors, channelPath, signal }: Shipment,
  floor: Floor,
): AsyncGenerator<Uint8Array | undefined> {
  const path = indexPath(channelPath);
  const limits = { maxBytes: MAX_MANIFEST_BYTES, deadlineMs: DEADLINE_MS, signal };
  for (const { mirror } of alive(mirrors)) {
    for (const each of [path, historyPath(path, floor)]) {
      yield await mirror.readIndex(each, limits).catch(orNothing(signal));
    }
  }
}

async function* inGitHistory(shipment: Shipment): AsyncGenerator<Uint8Array | undefined> {
  const { mirrors, settings, temporary, channelPath, signal } = shipment;
  const repository = join(temporary ?? workspaceOf(settings), 'index.git');
  const path = indexPath(channelPath);
  for (const { mirror } of alive(mirrors)) {
    if (mirror.indexBranch === undefined) continue;
    if (!existsSync(repository)) await openScratch(repository);
    const head = await mirror.indexBranch
      .fetchHead(repository, { signal })
      .catch(orNothing(signal));
    if (head === undefined) continue;
    for (const id of await commitsOf(path, { repository, id: head }, MAX_HISTORY)) {
      yield await blobIn({ repository, id }, path).catch(orNothing(signal));
    }
  }
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
