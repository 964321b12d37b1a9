/**
 * How mirrors are written in a configuration, of the release side and of a
 * node alike. An address never holds a credential: a token is named by the
 * environment variable or the file it is read from, when it is needed.
 */
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseDuration } from '@landfall/cli';
import { describeIssues } from '@landfall/errors';
import { z } from '@landfall/manifest';
import { MirrorError } from './errors.ts';
import { isOrigin } from './redirect.ts';
import { parseBandwidth } from './throttle.ts';

/** An address of one of `protocols`, without credentials, query or fragment. */
function address(protocols: readonly string[]): z.ZodMiniType<string, string> {
  const expected = `expected an address starting with ${protocols.map((each) => `${each}//`).join(' or ')}`;
  return z.string(expected).check(
    z.superRefine((text, context) => {
      const url = URL.canParse(text) ? new URL(text) : undefined;
      const problem = (message: string): void => context.addIssue({ code: 'custom', message });
      if (url === undefined || !protocols.includes(url.protocol)) return problem(expected);
      if (url.protocol === 'file:' && !isFolder(url)) {
        return problem('expected a folder of this machine such as file:///media/stick');
      }
      if (url.username !== '' || url.password !== '') {
        problem("credentials do not belong into an address: use 'token', 'readToken' or 'auth'");
      }
      if (url.search !== '' || url.hash !== '') problem('expected an address without ? and #');
    }),
  );
}

/** Not of another host (`file://media/stick` names one), and no `/` or broken character behind a `%`. */
function isFolder(url: URL): boolean {
  try {
    return !fileURLToPath(url).includes('\0');
  } catch {
    return false;
  }
}

const name = z
  .string()
  .check(
    z.regex(
      /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/,
      'expected letters, digits, dots, dashes and colons',
    ),
  );

const repository = z.string("expected 'owner/name'").check(
  z.regex(/^[A-Za-z0-9_.-]{1,100}\/[A-Za-z0-9_.-]{1,100}$/, "expected 'owner/name'"),
  z.refine((text) => text.split('/').every((part) => !/^\.+$/.test(part)), "expected 'owner/name'"),
);

const branch = z.string().check(
  z.regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$/, 'expected a branch name such as main'),
  z.refine(
    (text) => !/\.\.|\/\/|\/$|\.$|\.lock$|\/\./.test(text),
    'expected a branch name such as main',
  ),
);

const secret = z
  .strictObject({
    env: z.optional(z.string().check(z.minLength(1))),
    file: z.optional(z.string().check(z.minLength(1))),
  })
  .check(
    z.refine(
      (value) => (value.env === undefined) !== (value.file === undefined),
      "expected either 'env' (a variable's name) or 'file' (a path)",
    ),
  );

const auth = z.strictObject({
  /** A colon would end it (RFC 7617). */
  user: z.string().check(z.regex(/^[^\p{Cc}:]{1,200}$/u, 'expected a user name without a colon')),
  password: secret,
});

const ca = z.string('expected the path of a file with certificates in PEM').check(z.minLength(1));

const allowOrigins = z
  .array(
    z.string().check(z.refine(isOrigin, 'expected an origin such as https://objects.example.org')),
  )
  .check(z.maxLength(16));

const rate = z
  .union([z.number(), z.string()])
  .check(
    z.refine(
      (value) => (toRate(value) ?? 0) > 0,
      "expected bytes a second, or a text such as '500K'",
    ),
  );

const duration = z
  .union([z.number(), z.string()])
  .check(
    z.refine((value) => (toMs(value) ?? 0) > 0, "expected milliseconds, or a text such as '2h'"),
  );

/** Bytes a second of a configured rate. */
export function toRate(value: number | string): number | undefined {
  if (typeof value === 'string') return parseBandwidth(value);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Milliseconds of a configured duration. */
export function toMs(value: number | string): number | undefined {
  if (typeof value === 'string') return parseDuration(value);
  return Number.isSafeInteger(value) ? value : undefined;
}

const upload = z
  .strictObject({
    /** Artifacts that are sent at once; 2 unless told. */
    concurrency: z.optional(z.int().check(z.minimum(1), z.maximum(16))),
    /** Bytes a second that all uploads together take at most; no bound unless told. */
    rate: z.optional(rate),
    /** Bytes a second below which an upload is given up, over two minutes; 4 KiB unless told. */
    minRate: z.optional(rate),
    /** How long one artifact may take, all tries together; as long as `minRate` needs unless told. */
    deadline: z.optional(duration),
  })
  .check(
    z.refine(
      (value) =>
        value.rate === undefined || (toRate(value.rate) ?? 0) > (toRate(value.minRate ?? 0) ?? 0),
      "expected a 'rate' above 'minRate'",
    ),
  );

const directoryConfig = z
  .strictObject({
    type: z.literal('directory'),
    name: z.optional(name),
    /** The folder itself; needed to write. */
    path: z.optional(z.string().check(z.minLength(1))),
    /** Where anonymous readers find it. */
    url: z.optional(address(['http:', 'https:', 'file:'])),
    /** What readers show, where not everybody may read. */
    auth: z.optional(auth),
    /** A file with further authorities for TLS, in PEM. */
    ca: z.optional(ca),
    /** Other origins that it may redirect reads to: a store that serves its attachments. */
    allowOrigins: z.optional(allowOrigins),
  })
  .check(
    z.refine(
      (value) => value.path !== undefined || value.url !== undefined,
      "expected 'path', 'url' or both",
    ),
    z.refine(
      (value) => value.auth === undefined || value.url?.startsWith('http') === true,
      "'auth' needs a 'url' of http:// or https://",
    ),
    z.refine(
      (value) => value.allowOrigins === undefined || value.url?.startsWith('http') === true,
      "'allowOrigins' needs a 'url' of http:// or https://",
    ),
  );

const giteaConfig = z
  .strictObject({
    type: z.literal('gitea'),
    name: z.optional(name),
    url: address(['http:', 'https:']),
    repository,
    branch: z.optional(branch),
    /** What publishers show. */
    token: z.optional(secret),
    /** What readers show, where not everybody may read: a token, or a user's name and password. */
    readToken: z.optional(secret),
    auth: z.optional(auth),
    /** A file with further authorities for TLS, in PEM. */
    ca: z.optional(ca),
    /** Other origins that it may redirect reads to: a store that serves its attachments. */
    allowOrigins: z.optional(allowOrigins),
    /** How artifacts are sent. */
    upload: z.optional(upload),
    /** Where the repository is pushed to, when that is not `<url>/<repository>.git`. */
    git: z.optional(address(['http:', 'https:', 'ssh:'])),
  })
  .check(
    z.refine(
      (value) => value.auth === undefined || value.readToken === undefined,
      "expected 'readToken' or 'auth', found both",
    ),
  );

/** One mirror, as a zod schema: `release.config.ts` and `updater.toml` both use it. */
export const mirrorConfigSchema = z.discriminatedUnion('type', [directoryConfig, giteaConfig], {
  error: (issue) =>
    issue.code === 'invalid_union' ? "expected 'directory' or 'gitea'" : undefined,
});

/** One mirror as `mirrorConfigSchema` takes it. Names where secrets are read from, holds none. */
export type MirrorConfig = z.infer<typeof mirrorConfigSchema>;
/** A folder (`path`) that is written to, the address (`url`) that it is read at, or both. */
export type DirectoryConfig = z.infer<typeof directoryConfig>;
/** A repository of a Gitea or Forgejo server, and what is shown there to read and to write. */
export type GiteaConfig = z.infer<typeof giteaConfig>;
/** Where a secret is read from: a variable of the environment, or a file. */
export type SecretSource = z.infer<typeof secret>;
/** See `toRate` and `toMs`. */
export type UploadConfig = z.infer<typeof upload>;

/** Names of the environment's variables that hold a secret of one of these mirrors. */
export function secretVariables(configs: readonly MirrorConfig[]): string[] {
  return configs.flatMap((config) => {
    const sources = [config.auth?.password];
    if (config.type === 'gitea') sources.push(config.token, config.readToken);
    return sources.flatMap((source) => source?.env ?? []);
  });
}

/** A configuration with its name settled. */
export type Named<Config> = Config & { name: string };

/**
 * Checks a list of mirrors, makes paths absolute (from `directory`), and
 * settles names: the one given, else the host or the folder's name, with `-2`,
 * `-3` … where that is taken. Throws `MirrorError` CONFIG, saying which entry
 * and key.
 */
export function nameMirrors(
  configs: readonly MirrorConfig[],
  directory = process.cwd(),
): Named<MirrorConfig>[] {
  const result = z.array(mirrorConfigSchema).safeParse(configs);
  if (!result.success) {
    throw new MirrorError(
      'CONFIG',
      '',
      `mirrors are not configured right: ${describeIssues(result.error.issues)}`,
      { cause: result.error, hint: "see 'Mirrors' in the README for every key" },
    );
  }
  const taken = new Set<string>();
  for (const given of result.data.flatMap((each) => each.name ?? [])) {
    if (taken.has(given)) {
      throw new MirrorError('CONFIG', '', `two mirrors are named '${given}'`, {
        hint: 'give each mirror a name of its own',
      });
    }
    taken.add(given);
  }
  return result.data.map((each) => {
    const config = withAbsolutePaths(each, directory);
    return { ...config, name: config.name ?? freeName(config, taken) };
  });
}

function withAbsolutePaths(config: MirrorConfig, directory: string): MirrorConfig {
  const path = (text: string): string => resolve(directory, text);
  const source = (each: SecretSource): SecretSource =>
    each.file === undefined ? each : { file: path(each.file) };
  const { auth: login, ca: authorities } = config;
  const shared = {
    ...(authorities === undefined ? {} : { ca: path(authorities) }),
    ...(login === undefined ? {} : { auth: { ...login, password: source(login.password) } }),
  };
  if (config.type === 'directory') {
    return {
      ...config,
      ...shared,
      ...(config.path === undefined ? {} : { path: path(config.path) }),
    };
  }
  const { token, readToken } = config;
  return {
    ...config,
    ...shared,
    ...(token === undefined ? {} : { token: source(token) }),
    ...(readToken === undefined ? {} : { readToken: source(readToken) }),
  };
}

function freeName(config: MirrorConfig, taken: Set<string>): string {
  const wanted = defaultName(config).replaceAll(/[^A-Za-z0-9._:-]/g, '-') || 'mirror';
  let free = wanted;
  for (let number = 2; taken.has(free); number += 1) free = `${wanted}-${number}`;
  taken.add(free);
  return free;
}

function defaultName(config: MirrorConfig): string {
  if (config.type === 'gitea') return hostOf(new URL(config.url));
  if (config.url === undefined) return basename(config.path ?? '');
  const url = new URL(config.url);
  return url.protocol === 'file:' ? basename(fileURLToPath(url)) : hostOf(url);
}

/** An IPv6 address stands in brackets in a URL, which a name has not. */
function hostOf(url: URL): string {
  return url.host.replaceAll(/[[\]]/g, '');
}
