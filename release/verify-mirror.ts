/** One mirror, read as a stranger reads it, held against a release. Changes nothing. */
import { ArchiveError } from '@landfall/archive';
import { ExitCode, OtaError } from '@landfall/errors';
import { artifactFiles, type Manifest, ManifestError, type ReleaseFile } from '@landfall/manifest';
import { type Mirror, readProvenance, type Survey, withoutName } from '@landfall/mirrors';
import { contradiction, parseProvenance, type Provenance } from './provenance.ts';
import type { Expected } from './signed.ts';
import { readServed } from './steps/served.ts';

/** What was found on a mirror. */
export interface Row {
  name: string;
  /** `current`, or what is wrong with the index. */
  index: string;
  verified: number;
  /** What it serves about how the release was built. */
  provenance: 'verified' | 'none' | 'not valid';
  problems: string[];
  /** An artifact that is what was signed and that the gate refuses, or of which the manifest contradicts itself. */
  refused: boolean;
}

/** Whom to believe, where downloads go, and who is told of each file. */
export interface VerifyOptions {
  /** A folder for what is downloaded. */
  scratch: string;
  signal: AbortSignal;
  expected: Expected;
  /** What mirrors truly say about how the release was built is added here. */
  told: Provenance[];
  onNote: (line: string) => void;
}

/** Reads all of it, past whatever is wrong; a mirror that does not answer is not asked again. */
export async function verifyMirror(
  row: Survey['rows'][number],
  survey: Survey,
  manifest: Manifest,
  options: VerifyOptions,
): Promise<Row> {
  const { mirror, verified, problem } = row;
  const result: Row = {
    name: mirror.name,
    index:
      verified === undefined
        ? 'not valid'
        : verified.sha256 === survey.best?.sha256
          ? 'current'
          : `behind: ${verified.manifest.version}`,
    verified: 0,
    provenance: 'none',
    problems: problem === undefined ? [] : [withoutName(problem.message, mirror.name)],
    refused: false,
  };
  for (const artifact of artifactFiles(manifest)) {
    try {
      const verdict = await verifyArtifact(mirror, manifest.version, artifact, options);
      if (verdict === undefined) result.verified += 1;
      else result.problems.push(verdict);
    } catch (error) {
      options.signal.throwIfAborted();
      if (!(error instanceof OtaError)) throw error;
      const message = withoutName(error.message, mirror.name);
      result.problems.push(error instanceof ManifestError ? `alarm: ${message}` : message);
      const isOfSigned = error instanceof ArchiveError || error instanceof ManifestError;
      result.refused ||= isOfSigned && error.exit === ExitCode.refused;
      // A mirror that cannot be reached is not asked for every file in turn.
      if (error.code === 'UNREACHABLE' || error.code === 'TIMEOUT') return result;
    }
    options.onNote(`${mirror.name}: ${artifact.file}`);
  }
  await verifyProvenance(mirror, manifest, result, options);
  return result;
}

/** Fills in what the mirror serves about how the release was built: nothing is fine, a lie is not. */
async function verifyProvenance(
  mirror: Mirror,
  manifest: Manifest,
  result: Row,
  { expected, signal, told }: VerifyOptions,
): Promise<void> {
  try {
    const found = await readProvenance(mirror, manifest.version, expected.policy, { signal });
    if (found === undefined) return;
    const provenance = parseProvenance(found.bytes);
    const wrong = contradiction(provenance, manifest);
    result.provenance = wrong === undefined ? 'verified' : 'not valid';
    if (wrong === undefined) told.push(provenance);
    else result.problems.push(`its provenance is of something else: ${wrong}`);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof OtaError)) throw error;
    result.provenance = 'not valid';
    result.problems.push(`provenance: ${withoutName(error.message, mirror.name)}`);
  }
}

/** What is wrong with an artifact, or undefined. */
async function verifyArtifact(
  mirror: Mirror,
  version: string,
  artifact: ReleaseFile,
  options: { scratch: string; signal: AbortSignal },
): Promise<string | undefined> {
  const { scratch, signal } = options;
  const verdict = await readServed(mirror, {
    version,
    artifact,
    scratch,
    local: undefined,
    signal,
  });
  if (verdict.kind === 'same') return undefined;
  return verdict.kind === 'absent'
    ? `'${artifact.file}' is not there`
    : `'${artifact.file}' is not what was signed: ${verdict.found}`;
}
