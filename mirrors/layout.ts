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

/**
 * Where a directory mirror keeps a manifest that another took the place of:
 * `<sequence>-<first 12 digits of its SHA-256>.json` in the channel's `history`
 * folder, with signatures beside it as beside the manifest at `path`. So what
 * `previous` of a manifest says is enough to find the one before it.
 */
export function historyPath(
  path: string,
  { sequence, sha256 }: { sequence: number; sha256: string },
): string {
  return path.replace(/manifest\.json$/, `history/${sequence}-${sha256.slice(0, 12)}.json`);
}

/** What stands in `releases/` for the default channel, and in `.release/` for a version. */
const FILES_BESIDE_CHANNELS = /^(?:manifest|halt|head|build)\.json(?:\.|$)/;

/** Whether a channel beside the default one may have that name: no file of ours has it. */
export function isFreeForChannel(name: string): boolean {
  return isChannelName(name) && !FILES_BESIDE_CHANNELS.test(name);
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
