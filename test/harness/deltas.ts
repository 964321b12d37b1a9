/** Deltas between releases that were made here, out of their artifacts. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestTree, extractFile, extractTree } from '@landfall/archive';
import { makeDelta, type Tree } from '@landfall/delta';
import {
  type Artifact,
  artifactDigest,
  type Component,
  DELTA_FORMAT,
  deltaFileName,
  isTree,
  type Manifest,
} from '@landfall/manifest';

/** A release as far as it is made: what it consists of, and where its files are. */
interface Made {
  manifest: Pick<Manifest, 'version' | 'components'>;
  folder: string;
}

/** Makes the deltas that lead from `old` to `next`, of any size, into its folder and its components. */
export async function addDeltas(next: Made, old: Made): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'landfall-deltas-'));
  try {
    for (const component of next.manifest.components) {
      for (const artifact of component.artifacts) {
        const base = findArtifact(old, component, artifact.platform);
        if (base !== undefined) await addDelta(next, component.name, artifact, old, base, scratch);
      }
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function findArtifact(
  old: Made,
  { name, kind }: Component,
  platform: string,
): Artifact | undefined {
  const component = old.manifest.components.find(
    (each) => each.name === name && each.kind === kind,
  );
  return component?.artifacts.find((each) => each.platform === platform);
}

async function addDelta(
  next: Made,
  component: string,
  artifact: Artifact,
  old: Made,
  base: Artifact,
  scratch: string,
): Promise<void> {
  const { version } = old.manifest;
  const about = { component, version: next.manifest.version, from: version };
  const file = deltaFileName({ ...about, platform: artifact.platform }) ?? '';
  const made = await makeDelta({
    from: await unpack(join(old.folder, base.file), base, join(scratch, `old-${file}`)),
    to: await unpack(join(next.folder, artifact.file), artifact, join(scratch, `new-${file}`)),
    outPath: join(next.folder, file),
  });
  if (made === undefined) return;
  const from = { version, digest: artifactDigest(base) };
  artifact.deltas.push({ from, file, ...made, format: DELTA_FORMAT });
}

/** Unpacks an artifact to `to`. */
async function unpack(path: string, artifact: Artifact, to: string): Promise<Tree> {
  if (isTree(artifact)) {
    mkdirSync(to);
    await extractTree(path, to, { expect: artifact.tree });
    return { root: to, listing: digestTree(to).listing };
  }
  const { mode, contentSize: size, contentSha256: sha256 } = artifact;
  await extractFile(path, to, artifact);
  return { root: to, listing: [{ path: '.', type: 'file', mode, size, sha256 }] };
}
