/** `mirrors audit` and `mirrors doctor`: what is wrong with mirrors, for machines and in plain words. */
import { join } from 'node:path';
import { type Command, type Context, formatTable, interruptible } from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import { type Audit, auditMirrors } from '../audit/audit.ts';
import type { Finding, FindingCode } from '../audit/finding.ts';
import { openScratchFolder } from '../scratch.ts';
import { CHANNELS_OPTION, channelsNamed, findSubject, SUBJECT_OPTIONS } from './subject.ts';

const OPTIONS = { ...SUBJECT_OPTIONS, channel: CHANNELS_OPTION };
const EXIT_CODES = [
  'Exit code 0: nothing found; 4: warnings, or some mirrors are not right; 1: no mirror is right;',
  '3: two manifests of one sequence, two halt files of one serial or two root documents of one',
  'version, all validly signed, or a manifest that contradicts itself.',
];

/** `mirrors audit`: reads all that mirrors serve, to the last byte, and lists what is wrong. */
export const audit: Command = {
  name: 'audit',
  summary: 'read everything that mirrors serve, and report what is wrong',
  options: OPTIONS,
  details: ['Every artifact is read to its last byte. Nothing is changed.', ...EXIT_CODES],
  async run(context) {
    const found = await runAudit(context);
    context.result(found, toLines(found));
    return exitCodeOf(found);
  },
};

/** `mirrors doctor`: the same audit in plain words, and the commands that repair; runs none. */
export const doctor: Command = {
  name: 'doctor',
  summary: 'say in plain words what is wrong with mirrors, and the command that repairs it',
  options: OPTIONS,
  details: ["It reads what 'mirrors audit' reads.", ...EXIT_CODES],
  async run(context) {
    const found = await runAudit(context);
    const advice = adviceOf(found.findings);
    context.result({ mirrors: found.mirrors, advice }, toPlainWords(found, advice));
    return exitCodeOf(found);
  },
};

async function runAudit(context: Context): Promise<Audit> {
  const subject = await findSubject(context);
  return interruptible(async (signal) => {
    const folder = openScratchFolder('audit');
    try {
      const channels = channelsNamed(context, subject);
      return await auditMirrors({
        ...subject,
        channels,
        scratch: join(folder.path, 'look.git'),
        folder: folder.path,
        signal,
      });
    } finally {
      folder.remove();
    }
  });
}

function exitCodeOf({ mirrors, findings }: Audit): ExitCode {
  if (findings.some(({ severity }) => severity === 'alarm')) return ExitCode.refused;
  if (!mirrors.some(({ right }) => right)) return ExitCode.failed;
  return findings.length === 0 ? ExitCode.done : ExitCode.partial;
}

function toLines({ mirrors, findings }: Audit): string[] {
  const rows = mirrors.map(({ name, channels, artifacts, right }) => [
    name,
    right ? 'yes' : 'NO',
    channels.map((each) => `${each.channel ?? 'default'} ${each.version}`).join(', ') || '-',
    `${artifacts.right}/${artifacts.total}`,
    String(findings.filter(({ mirror }) => mirror === name).length),
  ]);
  const table = formatTable(['NAME', 'RIGHT', 'SERVES', 'ARTIFACTS', 'FINDINGS'], rows);
  if (findings.length === 0) return [...table, '', 'nothing found'];
  const found = findings.map(({ mirror, severity, code, message }) => [
    mirror,
    severity,
    code,
    message,
  ]);
  return [
    ...table,
    '',
    ...formatTable(['MIRROR', 'SEVERITY', 'CODE', 'WHAT'], found),
    '',
    "'mirrors doctor' says how to repair it",
  ];
}

/** All that one command repairs at one mirror. */
interface Advice {
  mirror: string;
  code: FindingCode;
  severity: Finding['severity'];
  /** What it means. */
  words: string;
  /** One line each. */
  findings: string[];
  command: string;
}

/** How many findings of one kind are spelled out for people. */
const SHOWN = 5;

const WORDS: Readonly<Record<FindingCode, string>> = {
  UNREACHABLE:
    'It cannot be asked. Nodes use the others meanwhile. When it is up again, complete it:',
  INDEX_MISSING: 'It has no index: nodes find nothing there. Fill it from the others:',
  INDEX_INVALID:
    'Its index is not one of this app and channel: nodes refuse it. Write the right one:',
  BAD_SIGNATURE:
    'Its index is not signed by the keys that are trusted: nodes refuse it. If nobody knows why, look at who can write there; then write the right one:',
  STALE: 'It lags: nodes that reach only this one do not see the newest release. Bring it along:',
  EXPIRED: 'The newest release has expired: nodes take it no more. Sign it anew:',
  ARTIFACT_MISSING:
    'It promises files that it does not have: nodes that ask it lose time, and fail if it is the only one. Complete it:',
  ARTIFACT_WRONG:
    'It serves other bytes than were signed: nodes throw them away and ask another. If it happens again, look at its disk. Replace them:',
  CONTRADICTION:
    'ALARM: what your keys signed of a file is not so of the bytes that were signed. No mirror is to blame: nodes would install something else than people compare, or nothing. Find out who made the manifest. Stop it:',
  NOT_UNPACKED:
    'Its bytes are those that were signed; this machine has no room to unpack them. Name a folder that has:',
  EQUIVOCATION:
    'ALARM: two different releases carry the same number, and both are signed by your keys. Nodes install neither. Publish nothing. Find out who made each, and whether a key was stolen; look at both:',
  CHAIN_BROKEN:
    'A release names another predecessor than the one that was published: somebody published from a copy that was not up to date, or a key is in other hands. Find out before you publish again:',
  HALT_STALE:
    'It does not say all that is halted: nodes that reach only this one may install what was stopped. Complete it:',
  HALT_INVALID:
    'Its halt file is damaged or not signed by the keys that are trusted: nodes take nothing from it, so no update reaches them through it. Put one there that they believe:',
  HALT_EQUIVOCATION:
    'ALARM: two different halt files have one serial, and both are signed by your keys. For nodes all is halted that either of them halts. Find out who made each, and whether a key was stolen; look at both:',
  HEAD_WRONG:
    'It says that nothing changed where something did: nodes may see a release or a halt a day late. Write it again:',
  ROOT_MISSING:
    'It lacks documents that say who is believed: nodes that reach only this one keep believing the keys before. Complete it:',
  ROOT_EQUIVOCATION:
    'ALARM: two different documents say who is believed, and both are signed by root keys. Nodes install nothing. Publish nothing. Find out who made each, and whether root keys were stolen; look at both:',
  ROOT_EXPIRES:
    'The document that says who is believed is at its end; after it nodes install nothing. Publish the next:',
  CLOCK_SKEW:
    'Its clock and ours disagree, so dates and certificates may be judged wrong. Set the clock:',
  CERTIFICATE_EXPIRES: 'When the certificate ends, nobody can reach it over TLS. Renew it:',
};

function adviceOf(findings: readonly Finding[]): Advice[] {
  const groups = Map.groupBy(findings, ({ mirror, code }) => `${mirror} ${code}`);
  return [...groups.values()].flatMap((all) => {
    const [first] = all;
    if (first === undefined) return [];
    const { mirror, code, severity, fix } = first;
    const lines = all.map(({ message }) => message);
    return [{ mirror, code, severity, words: WORDS[code], findings: lines, command: fix }];
  });
}

function toPlainWords({ mirrors }: Audit, advice: readonly Advice[]): string[] {
  const right = mirrors.filter((each) => each.right).length;
  const summary = `${right} of ${mirrors.length} mirrors ${right === 1 ? 'is' : 'are'} right`;
  if (advice.length === 0) return [`${summary}; there is nothing to do`];
  const parts = advice.flatMap(({ mirror, words, findings, command }) => [
    '',
    `${mirror}: ${words}`,
    ...findings.slice(0, SHOWN).map((each) => `  - ${each}`),
    ...(findings.length > SHOWN ? [`  - and ${findings.length - SHOWN} more`] : []),
    `  $ ${command}`,
  ]);
  return [summary, ...parts];
}
