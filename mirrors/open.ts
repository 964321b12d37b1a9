/** From configurations to mirrors. */
import { readCa } from './authorities.ts';
import type { MirrorConfig } from './config.ts';
import { nameMirrors } from './config.ts';
import { DirectoryMirror } from './directory.ts';
import { WritableDirectoryMirror } from './directory-writer.ts';
import { MirrorError } from './errors.ts';
import type { IndexMemory } from './index-memory.ts';
import { WritableGiteaMirror } from './gitea-writer.ts';
import { GiteaMirror } from './gitea.ts';
import type { Mirror, WritableMirror } from './mirror.ts';
import type { RetryPolicy } from './retry.ts';
import { readCredential, readToken } from './token.ts';

/** Where paths, secrets and proxies are looked up, and what readers keep of earlier answers. */
export interface OpenOptions {
  /** Where relative paths of the configurations start; the working folder unless told. */
  directory?: string;
  /** Where secrets and proxies are looked up; the process's own environment unless told. */
  env?: NodeJS.ProcessEnv;
  /** What mirrors served before, for readers who come again. */
  memory?: IndexMemory;
}

/** The same for who publishes; `memory` is for readers alone. */
export interface OpenWritableOptions extends OpenOptions {
  /** How often and how fast what is safe to repeat is repeated. */
  retry?: RetryPolicy;
}

/**
 * Mirrors as a reader sees them: anonymous, or with the credential for
 * readers. One whose credential cannot be had is a mirror that fails, not the
 * end of the others. Throws `MirrorError` CONFIG.
 */
export function openMirrors(
  configs: readonly MirrorConfig[],
  { directory, env, memory }: OpenOptions = {},
): Mirror[] {
  return nameMirrors(configs, directory).map((config) =>
    config.type === 'gitea'
      ? new GiteaMirror(config, env, memory)
      : new DirectoryMirror(config, env, memory),
  );
}

/**
 * Mirrors to publish to. Secrets are read here, so that a missing one is found
 * before anything is done. Throws `MirrorError` CONFIG.
 */
export function openWritableMirrors(
  configs: readonly MirrorConfig[],
  options: OpenWritableOptions = {},
): WritableMirror[] {
  const { env = process.env } = options;
  return nameMirrors(configs, options.directory).map((config) => {
    // What readers show, and whom they trust, is needed too: everything is read back.
    readCredential(config, env)?.();
    if (config.ca !== undefined) readCa(config.name, config.ca);
    if (config.type === 'gitea') {
      return new WritableGiteaMirror(config, readToken(config, env), { env, retry: options.retry });
    }
    const { path } = config;
    if (path !== undefined) return new WritableDirectoryMirror({ ...config, path }, env);
    throw new MirrorError('CONFIG', config.name, "'path' is missing, and needed to publish there", {
      hint: "set 'path' to the folder that is served at its 'url'; on a command line name that folder in place of the address, on the machine that has it",
    });
  });
}
