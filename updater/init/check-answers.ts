/** What was told to `updater init`, checked as the configuration that it makes; what is wrong is told by its option. */
import { CliError } from '@landfall/cli';
import { z } from '@landfall/manifest';
import { parse as parseToml } from 'smol-toml';
import { type Config, parseConfig } from '../config.ts';
import { UpdaterError } from '../errors.ts';
import { type Answers, configText } from './template.ts';

/** The first word of a key → the option that it comes from. */
const OPTIONS: Readonly<Record<string, string>> = {
  app: 'app',
  public_keys: 'key',
  threshold: 'threshold',
  trusted_root: 'trusted-root',
  channel: 'channel',
  mirrors: 'mirror',
  root: 'root',
  state: 'state',
  web_user: 'web-user',
  probe: 'probe-url',
  services: 'service',
};

/**
 * The configuration that `answers` make; `file` is where it is to be written. Throws `CliError`
 * USAGE: nobody who has no such file yet can correct it.
 */
export function checkAnswers(answers: Answers, file: string): Config {
  const text = configText(answers);
  try {
    return parseConfig(text, file);
  } catch (error) {
    const cause = error instanceof UpdaterError ? error.cause : undefined;
    const [issue] = cause instanceof z.core.$ZodError ? cause.issues : [];
    const option = OPTIONS[String(issue?.path[0])];
    if (issue === undefined || option === undefined) throw error;
    const { path, message } = issue;
    const given = path.reduce<unknown>((value, key) => Object(value)[key], parseToml(text));
    const found = message.includes('found') ? '' : `, found '${String(given)}'`;
    throw new CliError('USAGE', `--${option}: ${message}${found}`, "see 'updater init --help'");
  }
}
