/** `release verify`: checks every mirror as a stranger would. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArchiveError } from '@landfall/archive';
import { type Command, type Context, formatTable } from '@landfall/cli';
import { ExitCode, OtaError } from '@landfall/errors';
import { artifactsOf, type Manifest } from '@landfall/manifest';
import { type Mirror, openMirrors, type Survey, surveyMirrors } from '@landfall/mirrors';
import { ReleaseError } from '../errors.ts';
import { interruptible } from '../interrupt.ts';
import { loadSettings } from '../load-config.ts';
import { withoutName } from '../mirror-progress.ts';
import { readServed } from '../steps/served.ts';
import { CHANNEL, channelOf, QUORUM, quorumFrom } from './common.ts';

interface Row {
  name: string;
  /** `current`, or what is wrong with the index. */
  index: string;
  verified: number;
  problems: string[];
  /** An artifact that is what was signed, and that the gate refuses. */
  refused: boolean;
}

export const verifyCommand: Command = {
  name: 'verify',
  summary: 'download everything from every mirror as a stranger and check it',
  options: { channel: CHANNEL, quorum: QUORUM },
  details: [
    'Exit codes: 0 all mirrors, 4 a quorum, 1 fewer, 3 when the gate refuses what was signed.',
  ],
  async run(context) {
    const settings = await loadSettings(context.text('config'));
    const { channelPath, expected } = channelOf(context, settings);
    const quorum = quorumFrom(context, settings);
    const scratch = mkdtempSync(join(tmpdir(), 'landfall-verify-'));
    try {
      const { manifest, rows } = await interruptible(async (signal) => {
        const survey = await surveyMirrors(
          openMirrors(settings.mirrors, { directory: settings.directory }),
          {
            app: settings.app,
            channel: channelPath,
            policy: expected.policy,
            signal,
          },
        );
        const current = currentOf(survey);
        return {
          manifest: current,
          rows: await Promise.all(
            survey.rows.map((row) =>
              verifyMirror(row, survey, current, { scratch, signal, context }),
            ),
          ),
        };
      });
      const total = artifactsOf(manifest).length;
      const good = rows.filter((row) => row.index === 'current' && row.verified === total).length;
      context.result(
        {
          version: manifest.version,
          sequence: manifest.sequence,
          quorum,
          complete: good,
          mirrors: rows,
        },
        describe(manifest, rows, total),
      );
      if (rows.some(({ refused }) => refused)) return ExitCode.refused;
      if (good === rows.length) return ExitCode.done;
      return good >= quorum ? ExitCode.partial : ExitCode.failed;
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  },
};

function currentOf(survey: Survey): Manifest {
  if (survey.best !== undefined) return survey.best.manifest;
  if (survey.equivocation !== undefined) {
    const who = survey.equivocation.map(({ mirror }) => `'${mirror.name}'`).join(', ');
    throw new ReleaseError(
      'EQUIVOCATION',
      `mirrors serve different manifests of one sequence, all validly signed: ${who}`,
      { hint: 'find out who signed which; nodes install neither' },
    );
  }
  const why = survey.rows.map(({ problem }) => problem?.message ?? 'no answer').join('; ');
  throw new ReleaseError('NO_QUORUM', `no mirror has a valid release: ${why}`, {
    hint: "ship one with 'release ship'",
  });
}

async function verifyMirror(
  row: Survey['rows'][number],
  survey: Survey,
  manifest: Manifest,
  options: { scratch: string; signal: AbortSignal; context: Context },
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
    problems: problem === undefined ? [] : [withoutName(problem.message, mirror.name)],
    refused: false,
  };
  for (const artifact of artifactsOf(manifest)) {
    try {
      const verdict = await verifyArtifact(mirror, manifest.version, artifact, options);
      if (verdict === undefined) result.verified += 1;
      else result.problems.push(verdict);
    } catch (error) {
      options.signal.throwIfAborted();
      if (!(error instanceof OtaError)) throw error;
      result.problems.push(withoutName(error.message, mirror.name));
      result.refused ||= error instanceof ArchiveError && error.exit === ExitCode.refused;
      // A mirror that cannot be reached is not asked for every file in turn.
      if (error.code === 'UNREACHABLE' || error.code === 'TIMEOUT') break;
    }
    options.context.note(`${mirror.name}: ${artifact.file}`);
  }
  return result;
}

/** What is wrong with an artifact, or undefined. */
async function verifyArtifact(
  mirror: Mirror,
  version: string,
  artifact: ReturnType<typeof artifactsOf>[number],
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

function describe(manifest: Manifest, rows: readonly Row[], total: number): string[] {
  return [
    `${manifest.app} ${manifest.version} (channel ${manifest.channel}, sequence ${manifest.sequence})`,
    ...formatTable(
      ['mirror', 'index', 'artifacts verified'],
      rows.map((row) => [row.name, row.index, `${row.verified} of ${total}`]),
    ),
    ...rows.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`)),
  ];
}
