/**
 * What must not leave this machine with a release, however it came into what is
 * packed: secret keys, files with passwords and tokens, our own folder, mirrors (each
 * release would hold all before it), and what git keeps. A file is known by what it is, not by its name: a hard link to a key
 * is that key, and so is a copy of one. Reads; changes nothing.
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync, type Stats } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { ListingEntry } from '@landfall/archive';
import { isSecretKeyFile } from '@landfall/minisign';
import type { Settings } from './config.ts';
import { givenPasswordFile } from './password.ts';
import { WORKSPACE, workspaceOf } from './workspace.ts';

/** No file with a key, a password or a token is larger. */
const MAX_SECRET_BYTES = 4096;
const KEY = 'is a secret key';
const TOKEN = "holds a mirror's token or password";
const PASSWORD = 'holds the password of a secret key';
const GIT = 'belongs to git, and may hold all that was ever committed';
const OURS = 'is the folder of the releases that were made here';
const MIRROR = 'is a mirror, with all that was released';

interface Known {
  path: string;
  stats: Stats;
  reason: string;
}

/** What must stay here, as it is when this is made. Names no file that cannot be seen. */
export class KeptBack {
  readonly #secrets: readonly Known[];
  readonly #folders: readonly Known[];
  #digests: ReadonlyMap<string, string> | undefined;

  constructor(settings: Settings) {
    this.#secrets = secretFiles(settings).flatMap(look);
    this.#folders = ownFolders(settings).flatMap(look);
  }

  /** Why what stands at `source` must not be packed; undefined when it may. */
  why(source: string, stats: Stats): string | undefined {
    if (basename(source) === '.git') return GIT;
    const among = stats.isFile() ? this.#secrets : this.#folders;
    const known = among.find((each) => isSame(stats, each.stats));
    if (!stats.isFile()) return known?.reason;
    return known?.reason ?? (isSecretKeyFile(source, stats.size) ? KEY : undefined);
  }

  /** The same of an entry of a finished archive, of which names and digests are known. */
  whyListed({ path, type, sha256 }: ListingEntry): string | undefined {
    if (basename(path) === '.git') return GIT;
    if (path === WORKSPACE) return OURS;
    if (type !== 'file') return undefined;
    this.#digests ??= new Map(this.#secrets.flatMap(digestOf));
    return this.#digests.get(sha256);
  }
}

/** Every file that the configuration and the environment say holds a secret. */
function secretFiles({ directory, keys, mirrors }: Settings): Omit<Known, 'stats'>[] {
  const tokens = mirrors.flatMap((mirror) => [
    mirror.auth?.password.file,
    ...(mirror.type === 'gitea' ? [mirror.token?.file, mirror.readToken?.file] : []),
  ]);
  const password = givenPasswordFile();
  const from = (path: string): string => resolve(directory, path);
  return [
    ...keys.secret.map((path) => ({ path: from(path), reason: KEY })),
    ...tokens.flatMap((path) => (path === undefined ? [] : [{ path: from(path), reason: TOKEN }])),
    ...(password === undefined ? [] : [{ path: resolve(password), reason: PASSWORD }]),
  ];
}

function ownFolders(settings: Settings): Omit<Known, 'stats'>[] {
  const mirrors = settings.mirrors.flatMap((mirror) =>
    mirror.type === 'directory' && mirror.path !== undefined
      ? [{ path: resolve(settings.directory, mirror.path), reason: MIRROR }]
      : [],
  );
  return [{ path: workspaceOf(settings), reason: OURS }, ...mirrors];
}

/** With what is there, through links; nothing when nothing can be seen. */
function look(each: Omit<Known, 'stats'>): Known[] {
  try {
    return [{ ...each, stats: statSync(each.path) }];
  } catch {
    return [];
  }
}

function isSame(a: Stats, b: Stats): boolean {
  return a.ino === b.ino && a.dev === b.dev;
}

function digestOf({ path, stats, reason }: Known): [string, string][] {
  if (!stats.isFile() || stats.size === 0 || stats.size > MAX_SECRET_BYTES) return [];
  try {
    const bytes = readFileSync(path);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    bytes.fill(0);
    return [[sha256, reason]];
  } catch {
    return [];
  }
}
