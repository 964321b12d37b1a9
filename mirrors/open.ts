/** From configurations to mirrors. */
import type { MirrorConfig } from './config.ts';
import { nameMirrors } from './config.ts';
import { DirectoryMirror } from './directory.ts';
import { WritableDirectoryMirror } from './directory-writer.ts';
import { MirrorError } from './errors.ts';
import type { Mirror, WritableMirror } from './mirror.ts';

/** Mirrors as an anonymous reader sees them. Throws `MirrorError` CONFIG. */
export function openMirrors(configs: readonly MirrorConfig[]): Mirror[] {
  return nameMirrors(configs).map((config) => {
    if (config.type === 'directory') return new DirectoryMirror(config);
    throw new MirrorError('CONFIG', config.name, 'not a kind of mirror that is known');
  });
}

/**
 * Mirrors to publish to. Tokens are read from `env` (the process's own unless
 * told) or from their files here, so that a missing one is found before
 * anything is done. Throws `MirrorError` CONFIG.
 */
export function openWritableMirrors(
  configs: readonly MirrorConfig[],
  _options: { env?: NodeJS.ProcessEnv } = {},
): WritableMirror[] {
  return nameMirrors(configs).map((config) => {
    if (config.type === 'directory') {
      const { path } = config;
      if (path !== undefined) return new WritableDirectoryMirror({ ...config, path });
      throw new MirrorError(
        'CONFIG',
        config.name,
        "'path' is missing, and needed to publish there",
        {
          hint: "set 'path' to the folder that is served at its 'url'",
        },
      );
    }
    throw new MirrorError('CONFIG', config.name, 'not a kind of mirror that is known');
  });
}
