/**
 * Halt files made here: `.release/halts/<channel>/halt-<serial>.json`, each
 * with its signatures beside it. The newest one is what a command that was cut
 * off, or that waits for signatures, goes on with.
 *
 * Invariant: a serial is never given to other bytes, so that what several
 * people sign is the same. A crash leaves a file without some of its signatures.
 */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crashPoint } from '@landfall/cli';
import { makeDirectoryDurably, writeFileDurably } from '@landfall/durable';
import { type Halt, MAX_HALT_BYTES, parseHalt, serializeHalt } from '@landfall/manifest';
import type { PublicKey } from '@landfall/minisign';
import { policyFor, type TrustPolicy } from '@landfall/trust';
import { collectSignatures } from './collect.ts';
import type { Settings } from './config.ts';
import { readSmallFile } from './files.ts';
import { policyOf } from './load-config.ts';
import { workspaceOf } from './workspace.ts';

/** A halt file made here. Its bytes are ours; whether enough signed it is another matter. */
export interface HaltDraft {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly halt: Halt;
}

/** What is made of `halt`; nothing is written. */
export function toHaltDraft(settings: Settings, halt: Halt): HaltDraft {
  const path = join(folderOf(settings, halt.channel), `halt-${halt.serial}.json`);
  return { path, bytes: serializeHalt(halt), halt };
}

/** Puts it where others can sign it. Never over another one. */
export function writeHaltDraft({ path, bytes }: HaltDraft): void {
  if (existsSync(path)) return;
  makeDirectoryDurably(dirname(path));
  // A crash before this leaves nothing, after it the whole file, not signed.
  writeFileDurably(path, bytes, { mode: 0o644 });
  crashPoint('halt-written');
}

/** The newest one that was made here for a channel. Throws `ManifestError`, `ReleaseError` DAMAGED. */
export function newestHaltDraft(settings: Settings, channel: string): HaltDraft | undefined {
  return haltDrafts(settings, channel).next().value ?? undefined;
}

/** All that were made here for a channel, newest first, each read when it is asked for. Throws like `newestHaltDraft`. */
export function* haltDrafts(settings: Settings, channel: string): Generator<HaltDraft, undefined> {
  const folder = folderOf(settings, channel);
  if (!existsSync(folder)) return undefined;
  const serials = readdirSync(folder)
    .map((name) => Number(/^halt-(\d{1,16})\.json$/.exec(name)?.[1] ?? 0))
    .filter((serial) => serial > 0)
    .toSorted((a, b) => b - a);
  for (const serial of serials) {
    const path = join(folder, `halt-${serial}.json`);
    const bytes = Uint8Array.from(readSmallFile(path, MAX_HALT_BYTES) ?? []);
    yield { path, bytes, halt: parseHalt(bytes) };
  }
  return undefined;
}

/** A halt file that fewer signed than must. */
export interface WaitingHalt extends HaltDraft {
  readonly threshold: number;
  readonly signers: readonly PublicKey[];
}

/** Names of the channels that halt files were made for here. */
export function haltedChannels(settings: Settings): string[] {
  const folder = join(workspaceOf(settings), 'halts');
  if (!existsSync(folder)) return [];
  const folders = readdirSync(folder, { withFileTypes: true }).filter((each) => each.isDirectory());
  return folders.map(({ name }) => name).toSorted();
}

/**
 * The newest halt file of a channel, where it lacks signatures. One that was signed by
 * enough before keys were replaced waits for nobody: another takes its place. Throws like `newestHaltDraft`.
 */
export function waitingHalt(settings: Settings, channel: string): WaitingHalt | undefined {
  const draft = newestHaltDraft(settings, channel);
  const policies = policiesOf(settings, channel);
  const newest = policies.at(-1);
  if (draft === undefined || newest === undefined) return undefined;
  const signersOf = (policy: TrustPolicy): readonly PublicKey[] =>
    collectSignatures(draft.path, draft.bytes, policy).signers;
  if (policies.some((policy) => signersOf(policy).length >= policy.threshold)) return undefined;
  return { ...draft, threshold: newest.threshold, signers: signersOf(newest) };
}

/** Who could sign for `channel`, then and now; none where nobody can now. */
function policiesOf(settings: Settings, channel: string): TrustPolicy[] {
  if (settings.roots.length === 0) return [policyOf(settings, channel)];
  const lists = ({ root }: Settings['roots'][number]): boolean =>
    root.channels.some((each) => each.channel === channel);
  const newest = settings.roots.at(-1);
  if (newest === undefined || !lists(newest)) return [];
  return settings.roots.filter(lists).map(({ root }) => policyFor(root, channel));
}

/** The trusted comment of a halt file's signatures. */
export function haltComment({ app, channel, serial }: Halt): string {
  return `app=${app} channel=${channel} halt serial=${serial}`;
}

function folderOf(settings: Settings, channel: string): string {
  return join(workspaceOf(settings), 'halts', channel);
}
