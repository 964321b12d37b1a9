/**
 * What a manifest says, line by line, for whoever is to sign it: what nodes fetch, what they
 * install and under which conditions. What is left out decides nothing of that, and nothing in
 * it may move the cursor over what it says. Pure.
 */
import { plainLine } from '@landfall/errors';
import { type Artifact, type Component, deltasOf, isTree, type Manifest } from '@landfall/manifest';
import { describeSteps } from './rollout.ts';
import { reasonsOf } from './withdrawals.ts';

/** Throws `ManifestError` ROLLOUT_INVALID for steps that no node could read. */
export function describeManifest(manifest: Manifest): string[] {
  const { commit, published, expires, previous, root } = manifest;
  const { updater = 'any', from = 'any' } = manifest.requires;
  return [
    `commit:    ${commit === '' ? 'none' : commit.replaceAll(/[^\x20-\x7e]/g, '?')}`,
    `notes:     ${describeNotes(manifest.notes)}`,
    `published: ${published}, expires ${expires}`,
    `follows:   ${previous === null ? 'nothing, it is the first' : `sequence ${previous.sequence}, sha256 ${previous.sha256}`}`,
    `root:      ${root === undefined ? 'names no root document' : `root document ${root} is the newest`}`,
    `requires:  updater ${updater}, from release ${from}`,
    `goes out:  ${describeSteps(manifest).join(', ')}`,
    `withdrawn: ${describeWithdrawn(manifest)}`,
    ...manifest.components.flatMap((component) =>
      component.artifacts.flatMap((artifact) => describeArtifact(component, artifact)),
    ),
  ];
}

/** What is fetched, and behind it what is installed: that alone says what will run. */
function describeArtifact(component: Component, artifact: Artifact): string[] {
  const { file, size, sha256, frames } = artifact;
  const ranges = frames === undefined ? '' : `, in ${frames.length} ranges of their own digests`;
  const where = artifact.platform === 'any' ? 'everywhere' : `on ${artifact.platform}`;
  return [
    `artifact:  ${file}, ${size} bytes, sha256 ${sha256}${ranges}`,
    `installs:  ${component.name} ${where}: ${describeContent(artifact)}`,
    ...deltasOf(artifact).map(
      (delta) =>
        `delta:     ${delta.file}, ${delta.size} bytes, sha256 ${delta.sha256}, from ${delta.from.version}`,
    ),
  ];
}

/** A delta, whatever is in it, leads to this or is refused. */
function describeContent(artifact: Artifact): string {
  if (isTree(artifact)) {
    const { digest, size, entries } = artifact.tree;
    return `a tree of ${entries} entries, ${size} bytes, digest ${digest}`;
  }
  const { mode, contentSize, contentSha256 } = artifact;
  return `a file of ${contentSize} bytes, mode 0${mode.toString(8)}, sha256 ${contentSha256}`;
}

function describeNotes(notes: string): string {
  if (notes === '') return 'none';
  const lines = notes.split('\n');
  const first = plainLine(lines[0] ?? '').slice(0, NOTES_CHARACTERS);
  return first === notes ? first : `${first} … (${lines.length} lines, ${notes.length} characters)`;
}

const NOTES_CHARACTERS = 100;

function describeWithdrawn(manifest: Manifest): string {
  const reasons = reasonsOf(manifest);
  const all = manifest.withdrawn.map((version) => {
    const reason = reasons[version];
    return reason === undefined ? version : `${version} (${plainLine(reason)})`;
  });
  return all.length === 0 ? 'none' : all.join(', ');
}
