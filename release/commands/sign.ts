/** `release sign FILE`: adds one person's signature to what others sign as well. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { CliError, type Command, type Context, interruptible } from '@landfall/cli';
import { formatKeyId, type PublicKey } from '@landfall/minisign';
import { addSignature, collectSignatures, hasSigned } from '../collect.ts';
import type { Settings } from '../config.ts';
import { readSignable, type Signable } from '../documents.ts';
import { openKey } from '../keys.ts';
import { CONFIG_FILE } from '../config-file.ts';
import { loadConfig, loadSettings } from '../load-config.ts';
import { compareWithOwn, describeCompared } from '../own-artifacts.ts';
import { readRoots } from '../roots.ts';
import { describeCount } from '../waiting.ts';
import { versionFolder } from '../workspace.ts';
import { DRY_RUN } from './common.ts';

/** `release sign FILE`: shows what a document says, and adds your signature beside it. */
export const signCommand: Command = {
  name: 'sign',
  args: 'FILE',
  arity: [1, 1],
  summary: 'add your signature to a manifest, root document or halt file that waits for several',
  options: {
    key: {
      value: 'FILE',
      multiple: true,
      help: "your secret key; the configuration's unless told",
    },
    'dry-run': DRY_RUN,
  },
  details: [
    'FILE is what you were sent: a manifest, the folder it is in, a root document or a halt file. What',
    'it says is shown, and the signature goes into a file beside it, to be sent back. It needs no',
    'project: with a configuration it also checks that the key is one that counts, and holds what was',
    "built here ('release build' of the same commit) against a manifest.",
  ],
  async run(context) {
    const [file = ''] = context.positionals;
    const settings = await settingsIfAny(context);
    const document = readSignable(resolve(file), settings);
    for (const line of [document.title, ...document.says.map((each) => `  ${each}`)]) {
      context.note(line);
    }
    context.note(`  sha256:    ${document.sha256}`);
    const compared = await compare(context, document, settings);
    const files = keyFiles(context, settings);
    const written = context.flag('dry-run') ? [] : await signWith(document, files, settings?.roots);
    report(context, document, written, compared);
  },
};

/** In a project: artifacts of the manifest that stand there, none of which says otherwise. */
async function compare(
  context: Context,
  { manifest }: Signable,
  settings: Settings | undefined,
): Promise<readonly string[]> {
  if (manifest === undefined) return [];
  if (settings === undefined) {
    context.note('  compared:  with nothing: there is no project here, with what was built of it');
    return [];
  }
  const folder = versionFolder(settings, manifest.version);
  const compared = await interruptible((signal) => compareWithOwn(manifest, folder, signal));
  context.note(`  ${describeCompared(manifest, compared, folder)}`);
  return compared;
}

/** The configuration, if there is one; also while its first root document waits to be signed. */
async function settingsIfAny(context: Context): Promise<Settings | undefined> {
  const path = context.text('config');
  if (path === undefined && !existsSync(CONFIG_FILE)) return undefined;
  const config = await loadConfig(path);
  const { root } = config.keys;
  if (root === undefined) return loadSettings(path);
  const chain = readRoots(resolve(config.directory, root), config.app);
  return chain.steps.length === 0 ? undefined : loadSettings(path);
}

/** Secret key files, by what they are called. Throws `CliError` USAGE when there is none. */
function keyFiles(context: Context, settings: Settings | undefined): Map<string, string> {
  const given = context.list('key');
  if (given.length > 0) return new Map(given.map((file) => [file, resolve(file)]));
  const configured = (settings?.keys.secret ?? []).map((file): [string, string] => [
    file,
    resolve(settings?.directory ?? '', file),
  ]);
  const here = configured.filter(([, path]) => existsSync(path));
  if (here.length > 0) return new Map(here);
  throw new CliError(
    'USAGE',
    '--key: expected the file of your secret key, found none',
    'for example: release sign manifest.json --key ~/keys/release.key',
  );
}

interface Written {
  readonly key: PublicKey;
  /** The signature's file; undefined when the key had signed before. */
  readonly path: string | undefined;
}

/** Signs with each key that has not. */
async function signWith(
  { path, bytes, comment, roles, where }: Signable,
  files: ReadonlyMap<string, string>,
  roots: Settings['roots'] | undefined,
): Promise<Written[]> {
  const written: Written[] = [];
  const trusted = roles?.flatMap(({ policy }) => policy.keys);
  for (const [file, at] of files) {
    const key = await openKey(file, at, trusted, where, roots);
    try {
      const own = { keys: [key.publicKey], threshold: 1 };
      const { signers } = collectSignatures(path, bytes, own);
      const isNew = !hasSigned(signers, key.publicKey);
      const to = isNew ? addSignature(path, bytes, key, comment) : undefined;
      written.push({ key: key.publicKey, path: to });
    } finally {
      key.destroy();
    }
  }
  return written;
}

function report(
  context: Context,
  { path, bytes, title, sha256, roles }: Signable,
  written: readonly Written[],
  compared: readonly string[],
): void {
  const dryRun = context.flag('dry-run');
  const counts = (roles ?? []).map(({ whose, policy }) => {
    const { signers } = collectSignatures(path, bytes, policy);
    return { whose, threshold: policy.threshold, signers };
  });
  context.result(
    {
      path,
      title,
      sha256,
      compared,
      dryRun,
      signatures: written.map(({ key, path: to }) => ({ key: idOf(key), path: to ?? null })),
      roles: counts.map((each) => ({ ...each, signers: each.signers.map(idOf) })),
    },
    [
      ...(dryRun ? ['dry run: nothing was signed'] : written.map(describeWritten)),
      ...(roles === undefined
        ? ['not checked whether the key counts: there is no configuration here']
        : counts.map((each) => `${each.whose}: ${describeState(each)}`)),
    ],
  );
}

function describeWritten({ key, path }: Written): string {
  return path === undefined
    ? `${idOf(key)} has signed it already`
    : `signed by ${idOf(key)}: send back ${path}`;
}

function describeState(count: { threshold: number; signers: readonly PublicKey[] }): string {
  return count.signers.length >= count.threshold
    ? `all ${count.threshold} signatures are there`
    : describeCount(count);
}

function idOf(key: PublicKey): string {
  return formatKeyId(key.keyId);
}
