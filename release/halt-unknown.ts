/**
 * Whether the release that is to be halted is one that nobody ever had: most likely a
 * slip of the finger, and nodes go on taking the one that was meant. Only what is known
 * is refused: a mirror that cannot be asked may have it. Changes nothing.
 */
import { compareVersions } from '@landfall/manifest';
import { surveyMirrors } from '@landfall/mirrors';
import { ReleaseError } from './errors.ts';
import type { HaltRun } from './halt.ts';
import { orNothing } from './known.ts';
import { listVersions } from './workspace.ts';

/** Throws `ReleaseError` NOT_PUBLISHED when `version` is newer than the channel's, not here, and stored on no mirror. */
export async function refuseUnknownHalt(run: HaltRun, version: string): Promise<void> {
  const { settings, expected, channelPath, channel, signal } = run;
  if (listVersions(settings).includes(version)) return;
  const mirrors = run.mirrors.map(({ mirror }) => mirror);
  const { app, policy } = expected;
  const { rows } = await surveyMirrors(mirrors, { app, policy, channel: channelPath, signal });
  if (rows.some(({ problem }) => problem !== undefined && problem.code !== 'NOT_FOUND')) return;
  const newest = rows
    .flatMap(({ verified }) => verified?.manifest.version ?? [])
    .toSorted(compareVersions)
    .at(-1);
  if (newest === undefined || compareVersions(version, newest) <= 0) return;
  for (const mirror of mirrors) {
    const stored = await mirror.listReleases({ signal }).catch(orNothing(signal));
    if (stored === undefined || stored.some((each) => each.version === version)) return;
  }
  throw new ReleaseError(
    'NOT_PUBLISHED',
    `channel '${channel}' never had ${version}: expected ${newest} or one before it`,
    { hint: 'check the version: nodes go on taking the one that was meant' },
  );
}
