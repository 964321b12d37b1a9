/** Reads `release.config.ts`. Changes nothing. */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { withholdVariables } from '@landfall/cli';
import { describeIssues } from '@landfall/errors';
import { parsePublicKey } from '@landfall/minisign';
import { loadConfigModule, type MirrorConfig, secretVariables } from '@landfall/mirrors';
import { policyFor, type TrustPolicy } from '@landfall/trust';
import { CONFIG_FILE } from './config-file.ts';
import { configSchema, type LooseSettings, type Settings } from './config.ts';
import { ReleaseError } from './errors.ts';
import { SECRET_VARIABLES } from './password.ts';
import { readRoots, type WaitingRoot } from './roots.ts';
import type { Expected } from './signed.ts';

const DEFAULT_CHANNEL = 'stable';

/**
 * The checked configuration at `path`, or `release.config.ts` of the current
 * folder, with the root documents that it names. Throws `ReleaseError`
 * CONFIG_MISSING, CONFIG_INVALID, NO_ROOT, DAMAGED, `MirrorError` CONFIG.
 */
export async function loadSettings(path: string | undefined): Promise<Settings> {
  const settings = await loadConfig(path);
  const { root } = settings.keys;
  if (root === undefined) {
    return { ...settings, channel: settings.channel ?? DEFAULT_CHANNEL, roots: [] };
  }
  const { steps, waiting } = readRoots(resolve(settings.directory, root), settings.app);
  const channel = steps.at(-1)?.root.channel;
  if (channel === undefined) throw noRoot(root, waiting);
  if (settings.channel !== undefined && settings.channel !== channel) {
    throw new ReleaseError(
      'CONFIG_INVALID',
      `'channel' is not the default channel of the root document: expected '${channel}', found '${settings.channel}'`,
      { hint: 'leave it out: the root document says it' },
    );
  }
  return { ...settings, channel, roots: steps };
}

function noRoot(folder: string, waiting: WaitingRoot | undefined): ReleaseError {
  return new ReleaseError(
    'NO_ROOT',
    `'keys.root': expected a root document that enough have signed in '${folder}', found ${waiting === undefined ? 'none' : 'one that waits for signatures'}`,
    {
      hint:
        waiting === undefined
          ? "'release trust init' makes the first one"
          : "'release trust show' tells who may still sign",
    },
  );
}

/**
 * The configuration alone, whatever root documents there are. Throws
 * `ReleaseError` CONFIG_MISSING, CONFIG_INVALID, `MirrorError` CONFIG.
 */
export async function loadConfig(path: string | undefined): Promise<LooseSettings> {
  const file = resolve(path ?? CONFIG_FILE);
  if (!existsSync(file)) {
    throw new ReleaseError(
      'CONFIG_MISSING',
      `no configuration: expected '${file}', found nothing`,
      {
        hint:
          path === undefined
            ? "run it in your project's folder, or write one with 'release init'"
            : 'check the path given to --config',
      },
    );
  }
  const result = configSchema.safeParse(await loadConfigModule(file));
  if (!result.success) {
    throw new ReleaseError(
      'CONFIG_INVALID',
      `'${file}' does not fit: ${describeIssues(result.error.issues)}`,
      { cause: result.error, hint: "'release init --dry-run' shows a commented example" },
    );
  }
  withholdVariables([...SECRET_VARIABLES, ...secretVariables(result.data.mirrors)]);
  const directory = dirname(file);
  const mirrors = result.data.mirrors.map((mirror) => fromFolder(mirror, directory));
  return { ...result.data, mirrors, directory, file };
}

/** Paths of mirrors start where the configuration is, from wherever the command is run. */
function fromFolder(mirror: MirrorConfig, directory: string): MirrorConfig {
  if (mirror.type === 'directory') {
    return mirror.path === undefined
      ? mirror
      : { ...mirror, path: resolve(directory, mirror.path) };
  }
  const file = mirror.token?.file;
  return file === undefined ? mirror : { ...mirror, token: { file: resolve(directory, file) } };
}

/**
 * Who may sign manifests of `channel` (the default one unless told), as the
 * root document or the configuration says. Throws `TrustError` WRONG_CHANNEL
 * for one that the root document does not list.
 */
export function policyOf(settings: Settings, channel = settings.channel): TrustPolicy {
  const newest = settings.roots.at(-1);
  if (newest !== undefined) return policyFor(newest.root, channel);
  return {
    keys: settings.keys.public.map((text) => parsePublicKey(text)),
    threshold: settings.keys.threshold,
  };
}

/** What a manifest of `channel` must be to be believed. Throws like `policyOf`. */
export function expectedOf(settings: Settings, channel: string): Expected {
  return { app: settings.app, channel, policy: policyOf(settings, channel) };
}
