/**
 * Fields of signed documents that this edition does not know. Readers keep and ignore them, so that an
 * older node can take a newer release; a newer node may act on them. So they are nothing that a
 * person may sign unseen. Steps of a rollout are read strictly by everybody, and not looked at.
 */
import { DELTA_FORMAT, deltasOf } from './files.ts';
import type { Halt } from './halt.ts';
import type { Artifact, Manifest } from './manifest.ts';
import type { RootDocument } from './root.ts';

const MANIFEST = fields(
  'schema app channel version sequence published expires previous commit notes components',
  'requires rollout withdrawn withdrawnReasons root',
);
const ARTIFACT = fields('platform file size sha256 deltas frames');
const CONTENT = { tree: fields('tree'), file: fields('mode contentSha256 contentSize') };
const DELTA = fields('from file size sha256 format');

const HALT = fields('schema kind app channel serial published halted');
const ROOT = fields(
  'schema kind app version published expires channel root channels floors reason',
);

/** Their paths in a halt file. */
export function unknownHaltFields(halt: Halt): string[] {
  return [...others('', halt, HALT), ...inEach('halted', halt.halted, ['version', 'reason', 'at'])];
}

/** Their paths in a root document. */
export function unknownRootFields(root: RootDocument): string[] {
  return [
    ...others('', root, ROOT),
    ...others('root', root.root, ['keys', 'threshold']),
    ...inEach('channels', root.channels, ['channel', 'keys', 'threshold']),
    ...inEach('floors', root.floors ?? [], ['channel', 'sequence', 'sha256']),
  ];
}

/** Their paths in a manifest, as `components.0.artifacts.0.brotli`; a delta that is not understood is one of them. */
export function unknownFields(manifest: Manifest): string[] {
  const { previous, requires, rollout, components } = manifest;
  return [
    ...others('', manifest, MANIFEST),
    ...others('previous', previous ?? {}, ['sequence', 'sha256']),
    ...others('requires', requires, ['updater', 'from']),
    ...others('rollout', rollout, ['steps']),
    ...inReasons(manifest),
    ...components.flatMap((component, index) => {
      const at = `components.${index}`;
      const known = [...ARTIFACT, ...CONTENT[component.kind]];
      return [
        ...others(at, component, ['name', 'kind', 'artifacts']),
        ...component.artifacts.flatMap((artifact: Artifact, place) =>
          inArtifact(`${at}.artifacts.${place}`, artifact, known),
        ),
      ];
    }),
  ];
}

/** Why versions were withdrawn is a text for each of them. */
function inReasons({ withdrawn, withdrawnReasons: reasons }: Manifest): string[] {
  if (reasons === undefined) return [];
  if (typeof reasons !== 'object' || reasons === null) return ['withdrawnReasons'];
  return Object.entries(reasons)
    .filter(([version, reason]) => !withdrawn.includes(version) || typeof reason !== 'string')
    .map(([version]) => `withdrawnReasons.${version}`);
}

function inArtifact(at: string, artifact: Artifact, known: readonly string[]): string[] {
  const { frames = [], deltas } = artifact;
  return [
    ...others(at, artifact, known),
    ...('tree' in artifact
      ? others(`${at}.tree`, artifact.tree, ['digest', 'size', 'entries'])
      : []),
    ...inEach(`${at}.frames`, frames, ['size', 'sha256']),
    ...deltas.flatMap((each, index) => inDelta(`${at}.deltas.${index}`, each)),
  ];
}

function inDelta(at: string, entry: Record<string, unknown>): string[] {
  const [delta] = deltasOf({ deltas: [entry] });
  if (delta === undefined) return [entry['format'] === DELTA_FORMAT ? at : `${at}.format`];
  return [...others(at, delta, DELTA), ...others(`${at}.from`, delta.from, ['version', 'digest'])];
}

function inEach(at: string, values: readonly unknown[], known: readonly string[]): string[] {
  return values.flatMap((each, index) => others(`${at}.${index}`, each, known));
}

function others(at: string, value: unknown, known: readonly string[]): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.keys(value)
    .filter((key) => !known.includes(key))
    .map((key) => (at === '' ? key : `${at}.${key}`));
}

function fields(...lines: readonly string[]): string[] {
  return lines.flatMap((line) => line.split(' '));
}
