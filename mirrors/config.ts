/**
 * How mirrors are written in a configuration, of the release side and of a
 * node alike. An address never holds a credential: a token is named by the
 * environment variable or the file it is read from, when it is needed.
 */
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeIssues } from '@landfall/errors';
import { z } from 'zod';
import { MirrorError } from './errors.ts';

/** An address of one of `protocols`, without credentials, query or fragment. */
function address(protocols: readonly string[]): z.ZodType<string, string> {
  const expected = `expected an address starting with ${protocols.map((each) => `${each}//`).join(' or ')}`;
  return z.string(expected).superRefine((text, context) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const problem = (message: string): void => context.addIssue({ code: 'custom', message });
    if (url === undefined || !protocols.includes(url.protocol)) return problem(expected);
    if (url.username !== '' || url.password !== '') {
      problem("credentials do not belong into an address: use 'token'");
    }
    if (url.search !== '' || url.hash !== '') problem('expected an address without ? and #');
  });
}

const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/, 'expected letters, digits, dots, dashes and colons');

const repository = z
  .string("expected 'owner/name'")
  .regex(/^[A-Za-z0-9_.-]{1,100}\/[A-Za-z0-9_.-]{1,100}$/, "expected 'owner/name'")
  .refine((text) => text.split('/').every((part) => !/^\.+$/.test(part)), "expected 'owner/name'");

const branch = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$/, 'expected a branch name such as main')
  .refine(
    (text) => !/\.\.|\/\/|\/$|\.$|\.lock$|\/\./.test(text),
    'expected a branch name such as main',
  );

const token = z
  .strictObject({ env: z.string().min(1).optional(), file: z.string().min(1).optional() })
  .refine(
    (value) => (value.env === undefined) !== (value.file === undefined),
    "expected either 'env' (a variable's name) or 'file' (a path)",
  );

const directoryConfig = z
  .strictObject({
    type: z.literal('directory'),
    name: name.optional(),
    /** The folder itself; needed to write. */
    path: z.string().min(1).optional(),
    /** Where anonymous readers find it. */
    url: address(['http:', 'https:', 'file:']).optional(),
  })
  .refine(
    (value) => value.path !== undefined || value.url !== undefined,
    "expected 'path', 'url' or both",
  );

const giteaConfig = z.strictObject({
  type: z.literal('gitea'),
  name: name.optional(),
  url: address(['http:', 'https:']),
  repository,
  branch: branch.optional(),
  token: token.optional(),
  /** Where the repository is pushed to, when that is not `<url>/<repository>.git`. */
  git: address(['http:', 'https:', 'ssh:']).optional(),
});

/** One mirror, as a zod schema: `release.config.ts` and `updater.toml` both use it. */
export const mirrorConfigSchema = z.discriminatedUnion('type', [directoryConfig, giteaConfig], {
  error: (issue) =>
    issue.code === 'invalid_union' ? "expected 'directory' or 'gitea'" : undefined,
});

export type MirrorConfig = z.infer<typeof mirrorConfigSchema>;
export type DirectoryConfig = z.infer<typeof directoryConfig>;
export type GiteaConfig = z.infer<typeof giteaConfig>;

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
  if (config.type === 'directory') {
    const { path } = config;
    return path === undefined ? config : { ...config, path: resolve(directory, path) };
  }
  const file = config.token?.file;
  return file === undefined ? config : { ...config, token: { file: resolve(directory, file) } };
}

function freeName(config: MirrorConfig, taken: Set<string>): string {
  const wanted = defaultName(config).replaceAll(/[^A-Za-z0-9._:-]/g, '-') || 'mirror';
  let free = wanted;
  for (let number = 2; taken.has(free); number += 1) free = `${wanted}-${number}`;
  taken.add(free);
  return free;
}

function defaultName(config: MirrorConfig): string {
  if (config.type === 'gitea') return new URL(config.url).host;
  if (config.url === undefined) return basename(config.path ?? '');
  const url = new URL(config.url);
  return url.protocol === 'file:' ? basename(fileURLToPath(url)) : url.host;
}
