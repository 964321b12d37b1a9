/**
 * Moves the index, once a quorum of mirrors serves every artifact. A mirror
 * that lacks one never gets an index that names it. The same files, and for
 * git mirrors the same commit, go to every mirror, in this run and in any later.
 */
import { join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { artifactFiles, indexPath } from '@landfall/manifest';
import {
  highestHalts,
  prepareIndexUpdate,
  readProvenance,
  requireFollows,
  requireHaltFollows,
  type SignedHalt,
  surveyHalts,
  type WritableMirror,
  type WriteIndexOptions,
} from '@landfall/mirrors';
import { ReleaseError } from '../errors.ts';
import { alive, failureText, type MirrorProgress, onEach } from '../mirror-progress.ts';
import { rootFilesOf } from '../roots.ts';
import { need, type Shipment } from '../shipment.ts';
import type { Show } from '../show.ts';
import { fetchSigned, indexFiles } from '../signed.ts';
import { workspaceOf } from '../workspace.ts';
import { requireQuorum } from './look.ts';
import { Meanwhile } from './meanwhile.ts';
import { otherChannels, requireOtherChannels } from './other-channels.ts';
import { readRootsBack } from './roots.ts';

/** Throws `ReleaseError` NO_QUORUM unless enough mirrors serve every artifact. */
export function requireArtifactQuorum(shipment: Shipment, show: Show): void {
  const artifacts = artifactFiles(need(shipment.signed, 'signed manifest').verified.manifest);
  const complete = alive(shipment.mirrors).filter(({ held }) => held.size === artifacts.length);
  requireQuorum(shipment.mirrors, shipment.quorum, 'serve every artifact');
  show.outcome(`${complete.length} of ${shipment.mirrors.length}, ${shipment.quorum} needed`);
}

/** Mirrors whose index is not this release's yet, or lacks root documents, and those that are to be forced to it. */
export function withoutIndex(shipment: Shipment): MirrorProgress[] {
  const { sha256 } = need(shipment.signed, 'signed manifest').verified;
  const rows = shipment.survey?.rows ?? [];
  return alive(shipment.mirrors).filter(
    ({ mirror }) =>
      shipment.forced.has(mirror.name) ||
      shipment.withoutRoots?.has(mirror.name) === true ||
      !rows.some((row) => row.mirror === mirror && row.verified?.sha256 === sha256),
  );
}

/**
 * Writes the index to every mirror that serves all artifacts and lacks it. Throws
 * `ReleaseError` SUPERSEDED when somebody else has published meanwhile.
 */
export async function publishIndex(shipment: Shipment, show: Show): Promise<void> {
  const { survey, signed, expected, channelPath, signal } = shipment;
  const next = {
    ...expected,
    channel: channelPath,
    verified: need(signed, 'signed manifest').verified,
    known: new Set(need(survey, 'survey').rows.flatMap(({ verified }) => verified?.sha256 ?? [])),
    signal,
  };
  const halt = await findHalt(shipment);
  const meanwhile = new Meanwhile(shipment, async (mirror, read) => {
    await requireFollows(mirror, next, read);
    if (halt !== undefined) await requireHaltFollows(mirror, halt, read);
  });
  try {
    await writeIndexes(shipment, { meanwhile, halts: halt?.files ?? new Map() }, show);
  } finally {
    meanwhile.end();
  }
}

/** What is halted goes along: the head that a commit is made on may have lost it, and nodes with it. */
async function findHalt(
  shipment: Shipment,
): Promise<(Parameters<typeof requireHaltFollows>[1] & Pick<SignedHalt, 'files'>) | undefined> {
  const { mirrors, expected, channel, channelPath, signal } = shipment;
  const asked = alive(mirrors).map(({ mirror }) => mirror);
  const common = { app: expected.app, policy: expected.policy, channel: channelPath, signal };
  const rows = await surveyHalts(asked, common);
  const [halt, another] = highestHalts(rows);
  if (halt === undefined || another !== undefined) return undefined;
  const { verified, files } = halt;
  return verified.halt.channel === channel ? { ...common, halt: verified, rows, files } : undefined;
}

async function writeIndexes(
  shipment: Shipment,
  { meanwhile, halts }: { meanwhile: Meanwhile; halts: SignedHalt['files'] },
  show: Show,
): Promise<void> {
  const { signal, settings, channelPath, channel } = shipment;
  const signed = need(shipment.signed, 'signed manifest');
  const { manifest } = signed.verified;
  const todo = withoutIndex(shipment);
  const update = await prepareIndexUpdate({
    mirrors: branchesToFollow(shipment),
    files: new Map([
      ...rootFilesOf(settings.roots),
      ...(shipment.provenance?.files ?? []),
      ...halts,
      ...indexFiles(signed, channelPath),
    ]),
    message: `Release ${settings.app} ${manifest.version} (channel ${channel}, sequence ${manifest.sequence})\n`,
    date: manifest.published,
    repository: join(workspaceOf(settings), 'index.git'),
    before: (read) => meanwhile.refuse('', read),
    signal,
  });
  crashPoint('ship-index-prepared');
  const others = await otherChannels(update, settings, indexPath(channelPath));
  await meanwhile.look();
  await onEach(todo, 'index', signal, async ({ mirror }) => {
    await requireOtherChannels(mirror, others, signal);
    const force = shipment.forced.has(mirror.name);
    const onReplaced = (head: string): void =>
      show.line(`${mirror.name}: replaced its head ${head}, which is kept in .release/index.git`);
    const before: WriteIndexOptions['before'] = (read) => meanwhile.refuse(mirror.name, read);
    await mirror.writeIndex(update, { signal, force, before, onReplaced });
    crashPoint('ship-index-written');
    show.live(mirror.name, 'written');
  });
  for (const each of todo) {
    if (each.failure !== undefined) show.line(`${each.mirror.name}: ${failureText(each)}`);
  }
  show.outcome(`written to ${alive(todo).length}`);
}

/** Mirrors whose heads the commit is made on; not those that are to be replaced, while there are others. */
function branchesToFollow({ mirrors, forced }: Shipment): WritableMirror[] {
  const all = alive(mirrors).map(({ mirror }) => mirror);
  const kept = all.filter(({ name }) => !forced.has(name));
  return kept.some(({ indexBranch }) => indexBranch !== undefined) ? kept : all;
}

/** Throws `ReleaseError` READ_BACK when a mirror that was written to does not serve what was told of the build. */
async function requireProvenance(mirror: WritableMirror, shipment: Shipment): Promise<void> {
  const { provenance, version, expected, signal } = shipment;
  if (provenance === undefined) return;
  const served = await readProvenance(mirror, version, expected.policy, { signal });
  if (served !== undefined && Buffer.from(served.bytes).equals(provenance.bytes)) return;
  throw new ReleaseError(
    'READ_BACK',
    `mirror '${mirror.name}': does not serve how ${version} was built: expected what was written, found ${served === undefined ? 'nothing' : 'something else'}`,
    { hint: 'a cache in between may answer with an old index; run it again in a while' },
  );
}

/** Reads the index back anonymously and verifies it with the public keys. */
export async function readIndexBack(shipment: Shipment, show: Show): Promise<void> {
  const { signal, mirrors, channelPath, expected } = shipment;
  const { sha256, manifest } = need(shipment.signed, 'signed manifest').verified;
  const written = new Set(withoutIndex(shipment));
  await onEach(mirrors, 'read index back', signal, async (progress) => {
    const { mirror } = progress;
    const served = await fetchSigned(mirror, channelPath, expected, signal);
    if (served?.verified.sha256 !== sha256) {
      throw new ReleaseError(
        'READ_BACK',
        `mirror '${mirror.name}': does not serve the index that was written: expected ${manifest.version} (sequence ${manifest.sequence}), found ${served === undefined ? 'none' : `${served.verified.manifest.version} (sequence ${served.verified.manifest.sequence})`}`,
        { hint: 'a cache in between may answer with an old index; run it again in a while' },
      );
    }
    await readRootsBack(mirror, shipment.settings, signal);
    if (written.has(progress)) await requireProvenance(mirror, shipment);
    progress.indexed = true;
    shipment.proofs?.noteIndexed(mirror);
    crashPoint('ship-index-read-back');
  });
  for (const each of mirrors) {
    if (each.failure?.doing === 'read index back')
      show.line(`${each.mirror.name}: ${failureText(each)}`);
  }
  show.outcome(`${mirrors.filter(({ indexed }) => indexed).length} of ${mirrors.length} verified`);
}
