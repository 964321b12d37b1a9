/**
 * Signs a halt file and puts it on mirrors. Where the keys here are too few it
 * waits in the working folder. A crash leaves it there, signed or not, and
 * mirrors that have it or not; the same command goes on with it.
 */
import { hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { haltPath } from '@landfall/manifest';
import { type ReadIndexFile, requireHaltFollows, surveyHalts } from '@landfall/mirrors';
import { verifyHalt } from '@landfall/trust';
import { addSignature, collectSignatures, hasSigned } from './collect.ts';
import { ReleaseError } from './errors.ts';
import type { HaltRun } from './halt.ts';
import { haltComment, haltDrafts, writeHaltDraft } from './halt-drafts.ts';
import { openKeys } from './keys.ts';
import { alive, failureText, type MirrorProgress, onEach } from './mirror-progress.ts';
import { rootFilesOf } from './roots.ts';
import type { Show } from './show.ts';
import { describeCount } from './waiting.ts';
import { writeIndexFiles } from './write-index-files.ts';

/** Opens the keys that have not signed the draft. Throws like `openKeys`. */
export async function openHaltKeys(run: HaltRun, show: Show): Promise<void> {
  const { settings, expected, draft } = run;
  const begun = draft !== undefined && existsSync(draft.path) ? draft : undefined;
  const { keys, notes } = await openKeys({ settings, expected, draft: begun });
  run.keys = keys;
  for (const note of notes) show.line(note);
  show.outcome(`${keys.length} opened`);
}

/** Adds what the keys here have not signed yet; what is signed by enough becomes the goal, else it waits. */
export function signHalt(run: HaltRun, show: Show): void {
  const { draft, keys = [], expected, channelPath } = run;
  if (draft === undefined) return;
  const { path, bytes, halt } = draft;
  const { policy } = expected;
  writeHaltDraft(draft);
  const before = collectSignatures(path, bytes, policy);
  for (const key of keys) {
    if (!hasSigned(before.signers, key.publicKey))
      addSignature(path, bytes, key, haltComment(halt));
  }
  const { signers, missing, ignored, signatures } = collectSignatures(path, bytes, policy);
  const { threshold } = policy;
  if (signers.length < threshold) {
    run.waiting = { path, threshold, signers, missing, ignored };
    return show.outcome(`serial ${halt.serial}, ${describeCount(run.waiting)}`);
  }
  const { sha256 } = verifyHalt(bytes, [...signatures.values()], policy, expected);
  const at = haltPath(channelPath);
  const files = new Map([...signatures].map(([ending, text]) => [`${at}${ending}`, encode(text)]));
  run.goal = { halt, sha256, files: files.set(at, bytes) };
  show.outcome(`serial ${halt.serial}, ${signers.length} of ${threshold} needed`);
}

function lacking({ mirrors, rows, goal }: HaltRun): MirrorProgress[] {
  return alive(mirrors).filter(
    ({ mirror }) =>
      !rows.some((row) => row.mirror === mirror && row.halt?.verified.sha256 === goal?.sha256),
  );
}

/** Why there is nothing to write. */
export function whenAllHave(run: HaltRun): string | undefined {
  return lacking(run).length === 0 ? 'every mirror has it' : undefined;
}

/** SHA-256 of the halt files of the channel that were made here, as far as they can be read. */
function madeHere({ settings, channel }: HaltRun): Set<string> {
  const digests = new Set<string>();
  try {
    for (const { bytes } of haltDrafts(settings, channel)) digests.add(hash('sha256', bytes));
  } catch {
    // A damaged one, or what was made before it, keeps nothing from being halted.
  }
  return digests;
}

/** Writes the goal to every mirror that lacks it. */
export async function writeHalt(run: HaltRun, show: Show): Promise<void> {
  const { settings, goal, channel, channelPath, expected, rows, signal } = run;
  if (goal === undefined) return;
  const { app, policy } = expected;
  const own = madeHere(run);
  const next = { app, policy, channel: channelPath, halt: goal, rows, own, signal };
  const wanted = {
    // Who is believed comes before what they signed.
    files: new Map([...rootFilesOf(settings.roots), ...goal.files]),
    message: `Halts of ${settings.app} (channel ${channel}, serial ${goal.halt.serial})\n`,
    date: goal.halt.published,
    point: 'halt-published',
    requireFollows: (mirror: string, read: ReadIndexFile) => requireHaltFollows(mirror, next, read),
  };
  await writeIndexFiles(run, lacking(run), wanted, show);
}

/** As a stranger finds it. */
export async function readHaltBack(run: HaltRun, show: Show): Promise<void> {
  const { mirrors, signal, goal, expected, channelPath } = run;
  await onEach(mirrors, 'read back', signal, async (progress) => {
    const { mirror } = progress;
    const { app, policy } = expected;
    const [row] = await surveyHalts([mirror], { app, policy, channel: channelPath, signal });
    if (row?.problem !== undefined) throw row.problem;
    if (row?.halt?.verified.sha256 !== goal?.sha256) {
      throw new ReleaseError(
        'READ_BACK',
        `mirror '${mirror.name}': does not serve the halt file that was written: expected serial ${goal?.halt.serial}, found ${row?.halt?.verified.halt.serial ?? 'none'}`,
        { hint: 'a cache in between may answer with an old one; run it again in a while' },
      );
    }
    progress.indexed = true;
  });
  for (const each of mirrors) {
    if (each.failure !== undefined) show.line(`${each.mirror.name}: ${failureText(each)}`);
  }
  show.outcome(`${mirrors.filter(({ indexed }) => indexed).length} of ${mirrors.length}`);
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
