/** From configurations to mirrors. */
import type { MirrorConfig } from './config.ts';
import { nameMirrors } from './config.ts';
import { DirectoryMirror } from './directory.ts';
import { WritableDirectoryMirror } from './directory-writer.ts';
import { MirrorError } from './errors.ts';
import { WritableGiteaMirror } from './gitea-writer.ts';
import { GiteaMirror } from './gitea.ts';
import type { Mirror, WritableMirror } from './mirror.ts';
import type { RetryPolicy } from './retry.ts';
import { readToken } from './token.ts';

export interface OpenOptions {
  /** Where relative paths of the configurations start; the working folder unless told. */
  directory?: string;
}

export interface OpenWritableOptions extends OpenOptions {
  /** Where tokens are looked up; the process's own environment unless told. */
  env?: NodeJS.ProcessEnv;
  /** How often and how fast what is safe to repeat is repeated. */
  retry?: RetryPolicy;
}

/** Mirrors as an anonymous reader sees them. Throws `MirrorError` CONFIG. */
export function openMirrors(
  configs: readonly MirrorConfig[],
  { directory }: OpenOptions = {},
): Mirror[] {
  return nameMirrors(configs, directory).map((config) =>
    config.type === 'gitea' ? new GiteaMirror(config) : new DirectoryMirror(config),
  );
}

/**
 * Mirrors to publish to. Tokens are read here, so that a missing one is found
 * before anything is done. Throws `MirrorError` CONFIG.
 */
export function openWritableMirrors(
  configs: readonly MirrorConfig[],
  options: OpenWritableOptions = {},
): WritableMirror[] {
  return nameMirrors(configs, options.directory).map((config) => {
    if (config.type === 'gitea') {
      const token = readToken(config, options.env ?? process.env);
      return new WritableGiteaMirror(config, token, options.retry);
    }
    const { path } = config;
    if (path !== undefined) return new WritableDirectoryMirror({ ...config, path });
    throw new MirrorError('CONFIG', config.name, "'path' is missing, and needed to publish there", {
      hint: "set 'path' to the folder that is served at its 'url'",
    });
  });
}
