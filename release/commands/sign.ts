/** `release sign FILE`: adds one person's signature to what others sign as well. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { CliError, type Command, type Context } from '@landfall/cli';
import { formatKeyId, type PublicKey, type SecretKey } from '@landfall/minisign';
import type { TrustPolicy } from '@landfall/trust';
import { addSignature, collectSignatures, hasSigned } from '../collect.ts';
import type { Settings } from '../config.ts';
import { readSignable, type Signable } from '../documents.ts';
import { ReleaseError } from '../errors.ts';
import { openKey } from '../keys.ts';
import { CONFIG_FILE, loadSettings, policyOf } from '../load-config.ts';
import { describeCount } from '../waiting.ts';
import { DRY_RUN } from './common.ts';

export const signCommand: Command = {
  name: 'sign',
  args: 'FILE',
  arity: [1, 1],
  summary: 'add your signature to a manifest that waits for several',
  options: {
    key: {
      value: 'FILE',
      multiple: true,
      help: "your secret key; the configuration's unless told",
    },
    'dry-run': DRY_RUN,
  },
  details: [
    'FILE is what you were sent: a manifest, or the folder it is in. What it says is shown, and the',
    'signature goes into a file beside it, to be sent back. It needs no project: with a configuration',
    'it also checks that the key is one that counts.',
  ],
  async run(context) {
    const [file = ''] = context.positionals;
    const settings = await settingsIfAny(context);
    const document = readSignable(resolve(file));
    const policy = settings === undefined ? undefined : policyFor(document, settings);
    for (const line of [document.title, ...document.says.map((each) => `  ${each}`)]) {
      context.note(line);
    }
    context.note(`  sha256:    ${document.sha256}`);
    const files = keyFiles(context, settings);
    const written = context.flag('dry-run') ? [] : await signWith(document, files, policy);
    report(context, { document, policy, written });
  },
};

async function settingsIfAny(context: Context): Promise<Settings | undefined> {
  const path = context.text('config');
  return path === undefined && !existsSync(CONFIG_FILE) ? undefined : loadSettings(path);
}

/** Whose signatures count. Throws `ReleaseError` NOT_SIGNABLE for another app's document. */
function policyFor({ app, path }: Signable, settings: Settings): TrustPolicy {
  if (app === settings.app) return policyOf(settings);
  throw new ReleaseError(
    'NOT_SIGNABLE',
    `'${path}' is of another app: expected '${settings.app}', found '${app}'`,
    { hint: 'run it in the project it belongs to, or outside of any' },
  );
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
  { path, bytes, comment }: Signable,
  files: ReadonlyMap<string, string>,
  policy: TrustPolicy | undefined,
): Promise<Written[]> {
  const written: Written[] = [];
  for (const [file, at] of files) {
    const key: SecretKey = await openKey(file, at, policy?.keys);
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
  {
    document,
    policy,
    written,
  }: { document: Signable; policy: TrustPolicy | undefined; written: readonly Written[] },
): void {
  const dryRun = context.flag('dry-run');
  const collected =
    policy === undefined ? undefined : collectSignatures(document.path, document.bytes, policy);
  const ids = collected?.signers.map((key) => formatKeyId(key.keyId));
  context.result(
    {
      path: document.path,
      title: document.title,
      sha256: document.sha256,
      dryRun,
      signatures: written.map(({ key, path }) => ({
        key: formatKeyId(key.keyId),
        path: path ?? null,
      })),
      ...(ids === undefined ? {} : { signers: ids, threshold: policy?.threshold }),
    },
    [
      ...(dryRun ? ['dry run: nothing was signed'] : written.map(describeWritten)),
      ...(collected === undefined || policy === undefined
        ? ['not checked whether the key counts: there is no configuration here']
        : [describeState({ threshold: policy.threshold, signers: collected.signers })]),
    ],
  );
}

function describeWritten({ key, path }: Written): string {
  const id = formatKeyId(key.keyId);
  return path === undefined ? `${id} has signed it already` : `signed by ${id}: send back ${path}`;
}

function describeState(count: { threshold: number; signers: readonly PublicKey[] }): string {
  return count.signers.length >= count.threshold
    ? `all ${count.threshold} signatures are there: the command that made it goes on when run again`
    : `it ${describeCount(count)}`;
}
