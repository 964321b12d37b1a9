/**
 * Keeps the steps that were taken. Order: the floors that a step sets, then
 * its signatures, then the document, then `newest.json`. A crash between any
 * two leaves a step that is not known yet: it is taken again, and sets the
 * same floors, before anything else is decided.
 */
import { basename, join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { makeDirectoryDurably, writeFileDurably } from '@landfall/durable';
import { indexPath } from '@landfall/manifest';
import type { SignedRoot } from '@landfall/mirrors';
import type { RootDocument } from '@landfall/trust';
import { timestamp, type Host } from '../host.ts';
import type { FloorReset } from '../records/floor-file.ts';
import { writeRootFile } from '../records/root-file.ts';
import { judgeTrust, leavesKnown, type TrustLook } from './chain.ts';

/** What becomes of a look at the chain. */
export type KeepTrust = (host: Host, trust: TrustLook) => void;

/** Writes down what a look at the chain brought; for the holder of the lock. Throws `DurableError`. */
export function keepTrust(host: Host, trust: TrustLook): void {
  const { paths, store } = host;
  const { pin, newest, known, asked } = trust;
  const at = timestamp();
  const taken = stepsToTake(trust);
  const problem = judgeTrust(host, trust, new Date())?.reason;
  if (taken.length === 0 && !asked && problem === known?.problem) return;
  makeDirectoryDurably(paths.trust, 0o700);
  for (const each of taken) {
    store.resetFloors(floorsOf(each.verified.root), at);
    const { app, version: number, published } = each.verified.root;
    store.floorKeeper.noteTime({ at: published, app, number });
    crashPoint('root-floors-set');
    if (each === pin) continue;
    keepStep(host, each);
    const { version, reason } = each.verified.root;
    host.journal.append({ at, effect: 'accept-root', version, sha256: each.verified.sha256 });
    host.note(`root document ${version} taken: ${reason}`);
    crashPoint('root-step-kept');
  }
  // What was known once stays known: a node that lost steps must find them again.
  const isAhead = known !== undefined && known.version > newest.root.version;
  const stays = isAhead || leavesKnown(trust) !== undefined ? known : undefined;
  const { version, expires } = stays ?? newest.root;
  const { sha256 } = stays ?? newest;
  const when = problem !== undefined ? undefined : asked ? at : known?.asked;
  writeRootFile(paths, {
    schema: 1,
    pin: pin.verified.sha256,
    version,
    sha256,
    expires,
    ...(when === undefined ? {} : { asked: when }),
    ...(problem === undefined ? {} : { problem }),
  });
  crashPoint('root-kept');
}

/** For a look that may change nothing: the floors as they would be. */
export function foreseeTrust({ store }: Host, trust: TrustLook): void {
  for (const { verified } of stepsToTake(trust)) {
    store.resetFloors(floorsOf(verified.root), timestamp(), { write: false });
  }
}

/** None of a chain that leads past what was taken before. */
function stepsToTake(trust: TrustLook): SignedRoot[] {
  const { pin, fresh, known } = trust;
  if (leavesKnown(trust) !== undefined) return [];
  return known === undefined ? [pin, ...fresh] : fresh;
}

function keepStep({ paths }: Host, { files }: SignedRoot): void {
  for (const [path, bytes] of files) writeFileDurably(join(paths.trust, basename(path)), bytes);
}

function floorsOf(root: RootDocument): FloorReset[] {
  return (root.floors ?? []).map(({ channel, sequence, sha256 }) => ({
    app: root.app,
    index: indexPath(channel === root.channel ? undefined : channel),
    channel,
    sequence,
    sha256,
    root: root.version,
  }));
}
