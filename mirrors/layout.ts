/** Where things stand on a mirror, and which names are let near a path or a URL. */
import { isChannelName, isVersion, releaseTag } from '@landfall/manifest';
import { MirrorError } from './errors.ts';

/** The file that makes a folder a mirror; without it nothing is written there. */
export const MARKER_FILE = 'landfall-mirror.json';

const SEGMENT = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,199}$/;

/** `path` of the index branch, if it is a plain relative path. Throws `MirrorError` CONFIG. */
export function checkIndexPath(path: string): string {
  const segments = path.split('/');
  if (segments.every((each) => SEGMENT.test(each) && !each.includes('..'))) return path;
  throw new MirrorError('CONFIG', '', `not a path of an index: ${JSON.stringify(path)}`);
}

/** Where an artifact stands: `releases/download/v<version>/<file>`. Throws `MirrorError` CONFIG. */
export function artifactPath(version: string, file: string): string {
  if (isVersion(version) && SEGMENT.test(file) && !file.includes('..')) {
    return `releases/download/${releaseTag(version)}/${file}`;
  }
  throw new MirrorError(
    'CONFIG',
    '',
    `not an artifact's name: ${JSON.stringify(version)} ${JSON.stringify(file)}`,
  );
}

const INDEX_PATH = /^releases\/(?:([^/]+)\/)?manifest\.json$/;

/** Whether a manifest may stand at `path` of the index branch. */
export function isIndexPath(path: string): boolean {
  const match = INDEX_PATH.exec(path);
  return match !== null && (match[1] === undefined || isChannelName(match[1]));
}

/** The channel whose manifest stands at `path`; undefined: the default one. */
export function channelOf(path: string): string | undefined {
  return INDEX_PATH.exec(path)?.[1];
}
