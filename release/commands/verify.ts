/** `release verify`: checks every mirror as a stranger would. */
import { type Command, formatTable, interruptible } from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import { artifactFiles, type Manifest } from '@landfall/manifest';
import { openMirrors, type Survey, surveyMirrors, withScratchFolder } from '@landfall/mirrors';
import { ReleaseError } from '../errors.ts';
import { loadSettings } from '../load-config.ts';
import type { Provenance } from '../provenance.ts';
import { describeRebuild, rebuild } from '../rebuild.ts';
import { showModeFor } from '../show.ts';
import { type Row, verifyMirror } from '../verify-mirror.ts';
import { CHANNEL, channelOf, QUORUM, quorumFrom } from './common.ts';

/** `release verify`: reads every mirror as a stranger; `--rebuild` builds the commit again too. */
export const verifyCommand: Command = {
  name: 'verify',
  summary: 'download everything from every mirror as a stranger and check it',
  options: {
    channel: CHANNEL,
    quorum: QUORUM,
    rebuild: { help: 'also build the release again from its commit, and compare' },
  },
  details: [
    'With --rebuild the commit that the manifest names is checked out into a temporary folder and built',
    'there, by its own configuration; every artifact must come out with all that was signed of it.',
    'Exit codes: 0 all mirrors, 4 a quorum, 1 fewer, 3 when the gate refuses what was signed, when the',
    'manifest contradicts itself, or when the commit builds something else.',
  ],
  async run(context) {
    const settings = await loadSettings(context.text('config'));
    const { channelPath, expected } = channelOf(context, settings);
    const quorum = quorumFrom(context, settings);
    return withScratchFolder('verify', async (scratch) => {
      const { manifest, rows, rebuilt } = await interruptible(async (signal) => {
        const mirrors = openMirrors(settings.mirrors, { directory: settings.directory });
        const { policy } = expected;
        const given = { app: settings.app, channel: channelPath, policy, signal };
        const survey = await surveyMirrors(mirrors, given);
        const current = currentOf(survey);
        const told: Provenance[] = [];
        const onNote = (line: string): void => context.note(line);
        const options = { scratch, signal, expected, told, onNote };
        const all = survey.rows.map((row) => verifyMirror(row, survey, current, options));
        const found = { manifest: current, rows: await Promise.all(all), rebuilt: undefined };
        if (!context.flag('rebuild')) return found;
        const sources = { settings, mirrors, scratch, signal };
        const mode = showModeFor(context.json);
        return { ...found, rebuilt: await rebuild(current, told[0], sources, mode) };
      });
      const total = artifactFiles(manifest).length;
      const good = rows.filter((row) => isGood(row, total)).length;
      context.result(
        {
          version: manifest.version,
          sequence: manifest.sequence,
          quorum,
          complete: good,
          mirrors: rows,
          ...(rebuilt === undefined ? {} : { rebuild: rebuilt }),
        },
        [
          ...describe(manifest, rows, total),
          ...(rebuilt === undefined ? [] : describeRebuild(rebuilt)),
        ],
      );
      if (rows.some(({ refused }) => refused)) return ExitCode.refused;
      if (rebuilt?.identical === false) return ExitCode.refused;
      if (good === rows.length) return ExitCode.done;
      return good >= quorum ? ExitCode.partial : ExitCode.failed;
    });
  },
};

function isGood({ index, verified, provenance }: Row, total: number): boolean {
  return index === 'current' && verified === total && provenance !== 'not valid';
}

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

function describe(manifest: Manifest, rows: readonly Row[], total: number): string[] {
  return [
    `${manifest.app} ${manifest.version} (channel ${manifest.channel}, sequence ${manifest.sequence})`,
    ...formatTable(
      ['mirror', 'index', 'artifacts verified', 'provenance'],
      rows.map((row) => [row.name, row.index, `${row.verified} of ${total}`, row.provenance]),
    ),
    ...rows.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`)),
  ];
}
