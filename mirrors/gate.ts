/**
 * The last look at an artifact whose bytes are those that were signed: the mode gate on an
 * archive, and whether it unpacks to what the manifest says, as a node would see it. What no
 * node would take is copied to no mirror and called right on none, whoever signed it.
 */
import { rmSync } from 'node:fs';
import {
  ArchiveError,
  extractFile,
  gateArchive,
  type GateReport,
  sameTree,
} from '@landfall/archive';
import { type FileArtifact, isTree, type ReleaseFile, type TreeArtifact } from '@landfall/manifest';
import { contradiction } from './signed-bytes.ts';

/** A single file needs room for what it unpacks to; a tree is read and not written anywhere. */
export interface GateOptions {
  /** Path where a single file is unpacked, and removed again. */
  scratch: string;
  signal?: AbortSignal | undefined;
}

let turn: Promise<unknown> = Promise.resolve();

/**
 * Gates the file behind an open descriptor; of an archive, what the gate saw. One at a time: all
 * run on this machine's processors and memory, however many mirrors there are. A delta is held to
 * what it leads to by the node that takes it. Throws `ArchiveError` ARCHIVE_REFUSED, and
 * `ManifestError` MANIFEST_CONTRADICTION for other content than the manifest says.
 */
export async function gateArtifact(
  fd: number,
  { artifact }: Pick<ReleaseFile, 'artifact'>,
  options: GateOptions,
): Promise<GateReport | undefined> {
  if (artifact === undefined) return undefined;
  const mine = turn.then(() =>
    isTree(artifact) ? gateTree(fd, artifact, options) : gateFile(fd, artifact, options),
  );
  turn = mine.catch(() => undefined);
  return mine;
}

async function gateTree(
  fd: number,
  { file, tree: expected }: TreeArtifact,
  { signal }: GateOptions,
): Promise<GateReport> {
  const report = await gateArchive(fd, { name: file, ...(signal === undefined ? {} : { signal }) });
  const { tree } = report;
  if (sameTree(tree, expected)) return report;
  throw contradiction(
    file,
    `its sha256 is right, and it unpacks to another tree: expected digest ${expected.digest.slice(0, 12)}… (${expected.entries} entries), found ${tree.digest.slice(0, 12)}… (${tree.entries} entries)`,
  );
}

async function gateFile(
  fd: number,
  { file, mode, contentSha256, contentSize }: FileArtifact,
  { scratch, signal }: GateOptions,
): Promise<undefined> {
  const content = { name: file, mode, contentSha256, contentSize };
  rmSync(scratch, { force: true });
  try {
    await extractFile(fd, scratch, { ...content, ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    if (!(error instanceof ArchiveError) || error.code !== 'ARCHIVE_DIGEST') throw error;
    const what = `its sha256 is right, and it unpacks to another file: ${error.message}`;
    throw contradiction(file, what, error);
  } finally {
    rmSync(scratch, { force: true });
  }
}
