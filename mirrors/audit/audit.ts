/**
 * Reads everything that mirrors serve, as a stranger: every channel's index,
 * every artifact that these name, to the last byte. Changes nothing. What is
 * wrong is a finding of the mirror it is wrong at; nothing is thrown for what
 * a mirror does.
 */
import { join } from 'node:path';
import { MirrorError } from '../errors.ts';
import { checkExpiry, TrustError } from '@landfall/trust';
import { findChannels } from '../channels.ts';
import type { MirrorConfig, Named } from '../config.ts';
import { followHistory } from '../earlier.ts';
import type { Mirror } from '../mirror.ts';
import type { Believed } from '../signed-index.ts';
import type { KnownRoots } from '../served-roots.ts';
import { surveyMirrors, type Survey, type SurveyRow } from '../survey.ts';
import { readArtifacts } from './artifacts.ts';
import { type Finding, findingOf, Fixes } from './finding.ts';
import { auditHalts } from './halts.ts';
import { auditHeads } from './heads.ts';
import { brokenHistory, checkChain, earlierManifests, type Seen } from './history.ts';
import { auditRoots } from './roots.ts';
import { checkTransport } from './transport.ts';

/** Which mirrors are looked at, whom to believe, and where files on their way may lie. */
export interface AuditOptions extends Believed {
  /** Root documents that every mirror must have, where these say who is believed. */
  roots?: KnownRoots | undefined;
  mirrors: readonly Mirror[];
  /** What the mirrors were made from, in their order. */
  configs: readonly Named<MirrorConfig>[];
  /** Channels to look at besides those that are found; undefined: the default one. */
  channels: readonly (string | undefined)[];
  /** The options that name the same mirrors and keys, for the commands that repair. */
  options: string;
  /** Path of a bare scratch repository, made when a git mirror is looked at. */
  scratch: string;
  /** A folder for artifacts on their way, one of each mirror at a time. */
  folder: string;
  signal?: AbortSignal;
}

/** What was read of one mirror. */
export interface Audited {
  name: string;
  address: string;
  /** Channels it serves validly; null: the default one. */
  channels: { channel: string | null; version: string; sequence: number }[];
  /** Artifacts that its indexes name, and those that were read and right. */
  artifacts: { right: number; total: number };
  /** No alarm and no error. */
  right: boolean;
}

/** What each mirror serves, and what is wrong, by mirror in their order; nothing is found twice. */
export interface Audit {
  mirrors: Audited[];
  findings: Finding[];
}

/** Throws the abort reason of `signal`, and `MirrorError` CONFIG when git cannot be run. */
export async function auditMirrors(options: AuditOptions): Promise<Audit> {
  const fixes = new Fixes(options.options);
  const { channels, heads } = await lookForChannels(options);
  const findings: Finding[] = [];
  const rows: { channel: string | undefined; row: SurveyRow }[] = [];
  for (const channel of channels) {
    const { app, policy, mirrors, signal } = options;
    const given = { app, channel, policy, ...(signal === undefined ? {} : { signal }) };
    const survey = await surveyMirrors(mirrors, given);
    // A project may have no default channel.
    const nowhere = survey.rows.every(({ problem }) => problem?.code === 'NOT_FOUND');
    if (nowhere && channels.length > 1) continue;
    findings.push(...survey.rows.flatMap((row) => checkIndex(row, survey, fixes)));
    findings.push(...(await auditHalts(mirrors, { app, policy, channel, signal }, fixes)));
    const kept = await readKept(channel, survey, options);
    const seen = await seenIn(channel, survey, heads, options);
    findings.push(...checkChain([...seen, ...kept.seen], fixes));
    findings.push(...kept.problems.map((each) => brokenHistory(each, fixes)));
    rows.push(...survey.rows.map((row) => ({ channel, row })));
  }
  const gated = new Map<string, Promise<unknown>>();
  const read = await Promise.all(
    options.mirrors.map((mirror, index) => {
      const own = rows.filter(({ row }) => row.mirror === mirror);
      const scratch = join(options.folder, `${index}.unverified`);
      return readArtifacts(mirror, own, { fixes, gated, scratch, signal: options.signal });
    }),
  );
  for (const config of options.configs) {
    findings.push(...(await checkTransport(config, options.signal)));
  }
  findings.push(...read.flatMap((each) => each.findings));
  findings.push(...(await auditHeads(options.mirrors, channels, fixes, options.signal)));
  findings.push(...(await auditRoots(options, fixes)));
  const all = withoutRepetitions(findings, options.mirrors);
  return {
    findings: all,
    mirrors: options.mirrors.map(({ name, address }, index) => ({
      name,
      address,
      channels: rows.flatMap(({ channel, row: { mirror, verified } }) =>
        mirror.name !== name || verified === undefined
          ? []
          : [
              {
                channel: channel ?? null,
                version: verified.manifest.version,
                sequence: verified.manifest.sequence,
              },
            ],
      ),
      artifacts: read[index]?.artifacts ?? { right: 0, total: 0 },
      right: !all.some((each) => each.mirror === name && each.severity !== 'warning'),
    })),
  };
}

/** All channels, and the heads of git mirrors by the mirror's name. */
async function lookForChannels(
  options: AuditOptions,
): Promise<{ channels: (string | undefined)[]; heads: Map<string, string> }> {
  const channels = new Set(options.channels);
  const heads = new Map<string, string>();
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  for (const config of options.configs) {
    try {
      const found = await findChannels(config, options.scratch, signal);
      for (const each of found.channels) channels.add(each);
      if (found.head !== undefined) heads.set(config.name, found.head);
    } catch (error) {
      // A mirror that cannot be asked is found out when its index is read.
      if (!(error instanceof MirrorError)) throw error;
    }
  }
  return { channels: [...channels], heads };
}

function checkIndex(row: SurveyRow, survey: Survey, fixes: Fixes): Finding[] {
  const { mirror, verified, problem } = row;
  if (problem !== undefined) return [findingOf(mirror.name, problem, fixes)];
  if (verified === undefined) return [];
  const { sequence, version } = verified.manifest;
  const newest = Math.max(...survey.rows.map((each) => each.verified?.manifest.sequence ?? 0));
  const found = (code: 'STALE' | 'EXPIRED', message: string, fix: string): Finding[] => [
    { mirror: mirror.name, code, severity: 'error', message, fix },
  ];
  if (sequence < newest) {
    const message = `its index is stale: expected sequence ${newest}, found ${sequence} (${version})`;
    return found('STALE', message, fixes.sync(mirror.name));
  }
  try {
    checkExpiry(verified, new Date());
    return [];
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
    return found('EXPIRED', error.message, fixes.renew());
  }
}

/** What is served now, and what git remembers. */
async function seenIn(
  channel: string | undefined,
  survey: Survey,
  heads: ReadonlyMap<string, string>,
  options: AuditOptions,
): Promise<Seen[]> {
  const seen: Seen[] = survey.rows.flatMap(({ mirror, verified }) =>
    verified === undefined ? [] : [{ mirror: mirror.name, verified }],
  );
  // Mirrors share their history: one that is at the same commit is read once.
  for (const [head, mirrors] of Map.groupBy(heads.keys(), (name) => heads.get(name) ?? '')) {
    for (const verified of await earlierManifests(options.scratch, head, channel, options)) {
      seen.push(...mirrors.map((mirror) => ({ mirror, verified })));
    }
  }
  return seen;
}

/** What directory mirrors kept of manifests that they served before. */
async function readKept(
  channel: string | undefined,
  survey: Survey,
  { signal, app, policy, roots }: AuditOptions,
): Promise<{ seen: Seen[]; problems: Parameters<typeof brokenHistory>[0][] }> {
  const options = signal === undefined ? {} : { signal };
  const before = roots?.documents.map(({ verified }) => verified.root).toReversed() ?? [];
  const believed = { app, policy, before };
  const kept = await Promise.all(
    survey.rows.map(async ({ mirror, verified }) => {
      if (verified === undefined) return { mirror: mirror.name, manifests: [] };
      const earlier = await followHistory(mirror, channel, verified, believed, options);
      return { mirror: mirror.name, ...earlier };
    }),
  );
  return {
    seen: kept.flatMap(({ mirror, manifests }) =>
      manifests.map((verified) => ({ mirror, verified })),
    ),
    problems: kept.flatMap((each) =>
      each.problem === undefined ? [] : [{ mirror: each.mirror, ...each.problem }],
    ),
  };
}

/** Each once, by mirror in their order. A mirror that is down is so in every channel. */
function withoutRepetitions(findings: readonly Finding[], mirrors: readonly Mirror[]): Finding[] {
  const first = new Map<string, Finding>();
  for (const each of findings) {
    const subject = each.code === 'UNREACHABLE' ? '' : each.message;
    const key = `${each.mirror} ${each.code} ${subject}`;
    if (!first.has(key)) first.set(key, each);
  }
  return mirrors.flatMap(({ name }) => [...first.values()].filter(({ mirror }) => mirror === name));
}
