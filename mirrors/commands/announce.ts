/** `mirrors announce VERSION`: the table of mirrors, in Markdown, and into a release's notes on a Gitea server. */
import { CliError, type Command, type Context, interruptible } from '@landfall/cli';
import { ExitCode } from '@landfall/errors';
import { isVersion } from '@landfall/manifest';
import { announce as write, describeMirrors } from '../announce.ts';
import { type GiteaConfig, type Named, nameMirrors } from '../config.ts';
import { readStatus } from '../status.ts';
import { findSubject, SUBJECT_OPTIONS, toMirrorConfig } from './subject.ts';

/** `mirrors announce VERSION`: prints the table of mirrors; with `--on`, into a release's notes. */
export const announce: Command = {
  name: 'announce',
  args: 'VERSION',
  arity: [1, 1],
  summary: "write the table of mirrors into a release's notes on a Gitea server",
  options: {
    ...SUBJECT_OPTIONS,
    on: { value: 'ADDRESS', help: 'gitea:https://host/owner/name; only printed unless told' },
    'dry-run': { help: 'print the table, and write it nowhere' },
  },
  details: [
    'The table is printed in Markdown. With --on it also goes into the notes of the release',
    'v<VERSION> there, in the place of an earlier table; the rest of the notes stays. The token is',
    'taken from GITEA_TOKEN. A page for the tag is made when there is none and a mirror has VERSION,',
    "unless that repository is a mirror itself, whose releases are 'release ship' alone.",
  ],
  async run(context) {
    const version = versionFrom(context);
    const on = placeFrom(context);
    const subject = await findSubject(context);
    return interruptible(async (signal) => {
      const status = await readStatus(subject.mirrors, { ...subject, signal });
      const table = describeMirrors(status, new Date());
      const isMirror = subject.configs.some(
        (each) => each.type === 'gitea' && on !== undefined && placeOf(each) === placeOf(on),
      );
      const create = !isMirror && status.best?.version === version;
      const dryRun = on === undefined || context.flag('dry-run');
      const env = process.env;
      const written = !dryRun && (await write(on, { version, table, create, env, signal }));
      if (!dryRun) {
        const where = `the notes of 'v${version}' at ${placeOf(on)}`;
        context.note(written ? `written into ${where}` : `there is no release for ${where}`);
      }
      context.result({ version, written, markdown: table }, [table]);
      return written || dryRun ? ExitCode.done : ExitCode.failed;
    });
  },
};

function versionFrom(context: Context): string {
  const text = (context.positionals[0] ?? '').replace(/^v/, '');
  if (isVersion(text)) return text;
  throw new CliError(
    'USAGE',
    `expected a version such as 1.2.3, found '${context.positionals[0]}'`,
    "see 'mirrors announce --help'",
  );
}

function placeFrom(context: Context): Named<GiteaConfig> | undefined {
  const text = context.text('on');
  if (text === undefined) return undefined;
  const [config] = nameMirrors([toMirrorConfig(text)]);
  if (config?.type === 'gitea') return config;
  throw new CliError(
    'USAGE',
    `--on: expected gitea:https://host/owner/name, found '${text}'`,
    "see 'mirrors announce --help'",
  );
}

function placeOf({ url, repository }: GiteaConfig): string {
  return `${new URL(url).href.replace(/\/+$/, '')}/${repository}`;
}
