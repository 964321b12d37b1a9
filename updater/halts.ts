/**
 * What its maintainer halted: what mirrors show, what was seen before, and what
 * follows for this node. A version that is halted is not installed; one that
 * runs is left alone, and the operator is told.
 *
 * The highest serial counts, whoever shows it. A mirror whose halt file cannot
 * be read or believed is no source of a release at that look: one that hides a
 * halt must not hand out what was halted. It has no veto as long as others
 * answer. What was seen is kept on the disk before anything is decided from it.
 */
import { createHash } from 'node:crypto';
import { type Halted, parseHalt } from '@landfall/manifest';
import {
  type HaltRow,
  highestHalts,
  type Mirror,
  MirrorError,
  type SignedHalt,
  surveyHalts,
  type SurveyRow,
  withoutName,
} from '@landfall/mirrors';
import { OtaError } from '@landfall/errors';
import { type Authority, trustIn, type VerifiedHalt, verifyHalt } from '@landfall/trust';
import type { Host } from './host.ts';
import { stopIfTold, timestamp } from './host.ts';
import { describeHalted, indexOf } from './offer.ts';
import { findHalt, type HaltEntry, MAX_HALT_DOCUMENTS } from './records/halt-file.ts';

/** The halt files that count: one, unless somebody signed two of one serial; then what either halts is halted. */
export interface Halts {
  documents: readonly HaltDocument[];
  /** What is halted, by version. */
  halted: ReadonlyMap<string, Halted>;
  /** 0 for none. */
  serial: number;
}

interface HaltDocument extends Pick<VerifiedHalt, 'halt' | 'bytes' | 'sha256'> {
  signatures: readonly string[];
}

/** Asks all mirrors for the halt file of this node's channel. */
export async function askForHalts(
  { config, signal }: Host,
  mirrors: readonly Mirror[],
  policy: Authority,
): Promise<HaltRow[]> {
  const { app, channel } = config;
  try {
    return await surveyHalts(mirrors, { app, channel, policy, signal });
  } catch (error) {
    stopIfTold(signal);
    throw error;
  }
}

/**
 * `row` of a survey as far as it can be gone by, given what the same mirror
 * said about halts: without its manifest when it did not say it well.
 */
export function doubtBy(halts: readonly HaltRow[], row: SurveyRow): SurveyRow {
  const said = halts.find(({ mirror }) => mirror.name === row.mirror.name);
  if (row.verified === undefined || said === undefined) return row;
  const { mirror, ms, verified } = row;
  const problem = said.problem ?? otherChannel(said, verified.manifest.channel);
  if (problem === undefined) return row;
  const why = withoutName(problem.message, mirror.name);
  return {
    mirror,
    ms,
    problem: new MirrorError('BAD_ANSWER', mirror.name, `its halt file cannot be gone by: ${why}`, {
      hint: 'it might hide that a release was halted, so nothing is taken from it: repair it, or leave it out',
      cause: problem,
      exit: problem.exit,
    }),
  };
}

function otherChannel({ halt, mirror }: HaltRow, channel: string): MirrorError | undefined {
  const found = halt?.verified.halt.channel;
  if (found === undefined || found === channel) return undefined;
  return new MirrorError(
    'BAD_ANSWER',
    mirror.name,
    `it is of another channel: expected '${channel}', found '${found}'`,
  );
}

/** What counts, of what was kept and what mirrors show in `channel`; undefined: not known, and nothing is shown. */
export function concludeHalts(
  host: Host,
  authority: Authority,
  rows: readonly HaltRow[],
  channel: string | undefined,
): Halts {
  const ours = rows.filter(({ halt }) => halt?.verified.halt.channel === channel);
  const shown = highestHalts(ours).map(toDocument);
  // What is kept comes first: of the same bytes it is picked, so nothing is written down twice.
  return pickHighest([...keptDocuments(host, authority, channel), ...shown]);
}

/** What is written down, as it was when it was: by those who counted then. */
export function keptHalts(host: Host): Halts {
  return pickHighest(
    documentsOf(host).flatMap((each) => {
      try {
        const sha256 = createHash('sha256').update(each.bytes).digest('hex');
        return [{ ...each, sha256, halt: parseHalt(each.bytes) }];
      } catch (error) {
        // Nobody counts what is none; the next check writes down what does.
        if (error instanceof OtaError) return [];
        throw error;
      }
    }),
  );
}

/** Mirrors that show an older halt file than counts, or none, or another one of its serial; in words. */
export function describeHaltProblems(
  { serial, documents }: Halts,
  rows: readonly HaltRow[],
): { mirror: string; problem: string }[] {
  if (serial === 0) return [];
  return rows.flatMap(({ mirror, halt, problem }) => {
    if (problem !== undefined) return [];
    const found = halt?.verified.halt.serial ?? 0;
    if (found < serial) {
      const what = found === 0 ? 'none' : `serial ${found}`;
      const behind = `is behind with what is halted: expected serial ${serial}, found ${what}`;
      return [{ mirror: mirror.name, problem: behind }];
    }
    if (documents.length < 2) return [];
    const shown = `shows one of ${documents.length} different halt files of serial ${serial}, all signed (${halt?.verified.sha256.slice(0, 12)}…)`;
    return [{ mirror: mirror.name, problem: shown }];
  });
}

/** Writes down what counts, if that is not written down; says what is new in it. */
export function keepHalts(host: Host, halts: Halts): void {
  const { store, config, journal } = host;
  const { serial, halted } = halts;
  const documents = halts.documents.slice(0, MAX_HALT_DOCUMENTS);
  const before = keptHalts(host);
  // With their signatures: those of replaced keys do not count, those of today's over the same bytes do.
  const known = new Set(before.documents.map(nameOf));
  if (documents.length === known.size && documents.every((each) => known.has(nameOf(each)))) return;
  const entry: HaltEntry = {
    app: config.app,
    index: indexOf(config),
    documents: documents.map(({ bytes, signatures }) => ({
      bytes: Buffer.from(bytes).toString('base64'),
      signatures: [...signatures],
    })),
  };
  store.keepHalt(entry);
  journal.append({ at: timestamp(), halt: serial, halted: [...halted.keys()] });
  for (const [version, each] of halted) {
    if (!before.halted.has(version)) host.note(describeHalted(each));
  }
  for (const version of before.halted.keys()) {
    if (!halted.has(version)) host.note(`${version} is not halted any more`);
  }
}

/** What is written down, as far as it is still signed by those who count. */
function keptDocuments(
  host: Host,
  authority: Authority,
  channel: string | undefined,
): HaltDocument[] {
  const { app, channel: configured } = host.config;
  const { policy, channel: name } = trustIn(authority, configured);
  const expected = { app, channel: name ?? channel };
  return documentsOf(host).flatMap(({ bytes, signatures }) => {
    try {
      return [{ ...verifyHalt(bytes, signatures, policy, expected), signatures }];
    } catch (error) {
      // Its keys do not count any more: whoever holds them now is not to be obeyed.
      if (error instanceof OtaError) return [];
      throw error;
    }
  });
}

function documentsOf({ store, config }: Host): { bytes: Uint8Array; signatures: string[] }[] {
  const entry = findHalt(store.halts, config.app, indexOf(config));
  return (entry?.documents ?? []).map(({ bytes, signatures }) => ({
    bytes: Uint8Array.from(Buffer.from(bytes, 'base64')),
    signatures,
  }));
}

function nameOf({ sha256, signatures }: HaltDocument): string {
  return [sha256, ...signatures].join('\n');
}

function toDocument({ verified, files }: SignedHalt): HaltDocument {
  const signatures = [...files].flatMap(([path, bytes]) =>
    path.endsWith('.minisig') ? [new TextDecoder().decode(bytes)] : [],
  );
  return { ...verified, signatures };
}

function pickHighest(all: readonly HaltDocument[]): Halts {
  const serial = Math.max(0, ...all.map(({ halt }) => halt.serial));
  const top = all.filter(({ halt }) => halt.serial === serial);
  const documents = top.filter(
    ({ sha256 }, index) => top.findIndex((each) => each.sha256 === sha256) === index,
  );
  const halted = new Map(
    documents.flatMap(({ halt }) => halt.halted.map((each) => [each.version, each])),
  );
  return { documents, halted, serial };
}
