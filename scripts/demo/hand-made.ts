/**
 * A release as the pipeline of the incident made it: a tarball whose root is
 * 0700, signed with the right key and put on the mirrors past `release ship`.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { digestTree, type TreeInfo } from '@landfall/archive';
import { parseManifest, serializeManifest } from '@landfall/manifest';
import { readSecretKeyFile, sign } from '@landfall/minisign';
import type { DemoMirror, Project } from './project.ts';

/** A web UI that was packed badly, and what it would be if it had not been. */
export interface BadArchive {
  path: string;
  tree: TreeInfo;
}

/** Packs the project's web UI with GNU tar after `chmod 700` on its root. */
export function packBadly(project: Project): BadArchive {
  const build = join(project.folder, 'build');
  cpSync(join(project.folder, 'dist'), build, { recursive: true });
  execFileSync('chmod', ['-R', 'u=rwX,go=rX', build]);
  const { digest, size, entries } = digestTree(build);
  chmodSync(build, 0o700);
  const archive = join(project.folder, 'web-ui.tar.gz');
  const owner = ['--owner=0', '--group=0', '--numeric-owner', '--sort=name'];
  execFileSync('tar', [...owner, '-C', build, '-czf', archive, '.']);
  return { path: archive, tree: { digest, size, entries } };
}

/** Publishes `archive` as the web UI of `version`: the newest release again, but for that one artifact. */
export async function publishByHand(
  project: Project,
  mirrors: readonly DemoMirror[],
  version: string,
  archive: BadArchive,
): Promise<void> {
  const first = mirrors[0];
  if (first === undefined) throw new Error('no mirror');
  const key = await readSecretKeyFile(join(project.folder, 'release.key'), () => undefined);
  const before = readFileSync(join(first.path, 'releases/manifest.json'));
  const manifest = parseManifest(before);
  const bytes = readFileSync(archive.path);
  const file = `web-ui-${version}.tar.gz`;
  const previous = { sequence: manifest.sequence, sha256: sha256(before) };
  for (const component of manifest.components) {
    for (const artifact of component.artifacts) {
      if (component.name === 'web-ui') {
        const { tree } = archive;
        Object.assign(artifact, { file, size: bytes.length, sha256: sha256(bytes), tree });
      }
    }
  }
  const signed = serializeManifest({
    ...manifest,
    version,
    sequence: manifest.sequence + 1,
    previous,
  });
  for (const { path } of mirrors) {
    const folder = join(path, 'releases/download', `v${version}`);
    mkdirSync(folder, { recursive: true });
    const old = join(path, 'releases/download', `v${manifest.version}`);
    cpSync(old, folder, { recursive: true });
    copyFileSync(archive.path, join(folder, file));
    // It tells of the manifest that was there: nodes would not ask for this one.
    rmSync(join(path, 'releases/head.json'), { force: true });
    writeFileSync(join(path, 'releases/manifest.json'), signed);
    const signature = sign(key, signed, { trustedComment: `demo ${version}` });
    writeFileSync(join(path, 'releases/manifest.json.minisig'), signature);
  }
  key.destroy();
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
