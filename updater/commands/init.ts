/**
 * `updater init`: from a few answers to a configuration, with a look at what
 * is there. It never overwrites a configuration, and installs nothing.
 */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type Command, CliError, type Context, type OptionSpec } from '@landfall/cli';
import { makeDirectoryDurably, writeFileDurably } from '@landfall/durable';
import { ExitCode } from '@landfall/errors';
import { parsePublicKey } from '@landfall/minisign';
import type { SignedRoot } from '@landfall/mirrors';
import type { TrustPolicy, VerifiedRoot } from '@landfall/trust';
import type { Config } from '../config.ts';
import { DEFAULT_CONFIG_PATH } from '../program.ts';
import { detectWebUser, isRoot } from '../effects/web-user.ts';
import { UpdaterError } from '../errors.ts';
import { pathsOf } from '../paths.ts';
import { checkAnswers } from '../init/check-answers.ts';
import {
  detectServer,
  detectServiceManager,
  mirrorCandidates,
  type PickedMirror,
  pickMirror,
  settleGuess,
} from '../init/detect.ts';
import { configText, EXAMPLE, type Answers } from '../init/template.ts';
import { placePin, readTrustedRoot } from '../trust/pin.ts';
import { DRY_RUN, untilToldToStop } from './session.ts';

const ANSWERS: Readonly<Record<string, OptionSpec>> = {
  app: { value: 'NAME', help: 'the app whose releases this node takes' },
  mirror: {
    value: 'URL',
    multiple: true,
    help: 'a Gitea repository (https://, or gitea:https://) or a folder (https://, file://, a path); repeatable',
  },
  key: { value: 'RW…', multiple: true, help: "the maintainer's public key; repeatable" },
  'trusted-root': {
    value: 'FILE',
    help: 'in place of keys: the root document, with its signatures beside it; copied to root.json',
  },
  threshold: { value: 'N', help: 'how many of the keys must have signed; 1 unless told' },
  channel: { value: 'NAME', help: 'a channel other than the default one' },
  root: { value: 'DIR', help: 'where releases go; /opt/<app> unless told' },
  state: {
    value: 'DIR',
    help: 'where the updater keeps what it knows; /var/lib/landfall unless told',
  },
  'probe-url': {
    value: 'URL',
    help: 'where this machine serves the web UI; looked for unless told',
  },
  'web-user': { value: 'NAME', help: 'the user the web server runs as; looked for unless told' },
  service: {
    value: 'NAME',
    multiple: true,
    help: 'a service to restart after a switch; repeatable',
  },
};

/** `updater init`: writes the configuration and makes its folders, where there is none yet. */
export const init: Command = {
  name: 'init',
  summary: "write this node's configuration and make its folders",
  options: { ...ANSWERS, ...DRY_RUN },
  details: [
    'The configuration explains itself: every key stands in it, with its default. --dry-run prints it;',
    'with nothing else it prints an example, also on a node that has a configuration.',
  ],
  async run(context) {
    const file = context.text('config') ?? DEFAULT_CONFIG_PATH;
    const isAnswered = Object.keys(ANSWERS).some((name) => context.values[name] !== undefined);
    if (context.flag('dry-run') && !isAnswered) {
      const [text, findings] = [
        configText(EXAMPLE),
        ['an example: app, key and mirror are made up'],
      ];
      context.note(findings.join());
      context.result({ dryRun: true, file, text, findings }, text.trimEnd());
      return ExitCode.done;
    }
    if (existsSync(file)) {
      throw new UpdaterError('CONFIG', `'${file}' is there already, and is not overwritten`, {
        hint: 'edit it, or move it away first',
      });
    }
    const { answers, findings, pin } = await untilToldToStop((signal) =>
      gather(context, file, signal),
    );
    const text = configText(answers);
    const config = checkAnswers(answers, file);
    if (context.flag('dry-run')) {
      context.result({ dryRun: true, file, text, findings }, text.trimEnd());
      return ExitCode.done;
    }
    makeFolders(config);
    makeDirectoryDurably(dirname(file));
    if (pin !== undefined) placePin(pin, pinPath(file));
    writeFileDurably(file, text, { mode: 0o644 });
    context.result({ file, root: config.root, state: config.state, findings }, [
      ...findings,
      `wrote ${file}`,
      "next: 'updater check' shows what is available, 'updater apply' installs it",
    ]);
    return ExitCode.done;
  },
};

async function gather(
  context: Context,
  file: string,
  signal: AbortSignal,
): Promise<{ answers: Answers; findings: string[]; pin: SignedRoot | undefined }> {
  const app = need('app', context.text('app'));
  const { trust, believed, pin } = await readTrust(context, app, file);
  const texts = requireSome(context, 'mirror');
  const manager = detectServiceManager();
  const told: Answers = {
    app,
    trust,
    channel: context.text('channel'),
    mirrors: texts.flatMap(mirrorCandidates),
    root: context.text('root'),
    state: context.text('state'),
    webUser: context.text('web-user'),
    probeUrl: context.text('probe-url'),
    services: context.list('service').map((name) => ({ name, manager })),
  };
  // A first reading without the network: what cannot be right is told before anybody is asked.
  checkAnswers(told, file);
  const asked = { app, channel: told.channel, trust: believed, signal };
  const picked: PickedMirror[] = [];
  for (const text of texts) picked.push(await pickMirror(text, asked));
  const settled = picked.map((each) => settleGuess(each, picked));
  const findings = settled.map(
    ({ config, finding }, index) => `mirror ${texts[index]} (${config.type}): ${finding}`,
  );
  const server = await detectServer(told.probeUrl, signal);
  findings.push(server?.finding ?? noServer(told.probeUrl));
  const webUser = told.webUser ?? (isRoot() ? (await detectWebUser())?.name : undefined);
  findings.push(
    webUser === undefined
      ? "web user: not known; set 'web_user' to the user the web server runs as"
      : `web user: ${webUser}`,
  );
  const probeUrl = server?.url ?? told.probeUrl;
  const answers = {
    ...told,
    mirrors: settled.map(({ config }) => config),
    webUser,
    probeUrl,
    tls: server?.tls,
  };
  return { answers, findings, pin };
}

function noServer(url: string | undefined): string {
  return url === undefined
    ? 'no web server answers on this machine yet: set [probe].url'
    : `${url} does not answer yet: without a web server there no release passes`;
}

/** Whom the node is to believe: for its configuration, and for the look at the mirrors. */
async function readTrust(
  context: Context,
  app: string,
  file: string,
): Promise<{
  trust: Answers['trust'];
  believed: TrustPolicy | VerifiedRoot;
  pin: SignedRoot | undefined;
}> {
  const from = context.text('trusted-root');
  const threshold = context.count('threshold');
  if (from !== undefined) {
    if (context.list('key').length > 0 || threshold !== undefined) {
      throw new CliError(
        'USAGE',
        '--trusted-root: expected it, or --key and --threshold, found both',
        'a root document lists the keys and their threshold itself',
      );
    }
    const pin = await readTrustedRoot(resolve(from), app);
    return { trust: { root: pinPath(file) }, believed: pin.verified, pin };
  }
  const keys = requireSome(context, 'key');
  const parsed = keys.map((text, index) => parsePublicKey(text, `--key ${index + 1}`));
  return {
    trust: { keys, threshold },
    believed: { keys: parsed, threshold: threshold ?? 1 },
    pin: undefined,
  };
}

/** Where the pin stands: beside the configuration. */
function pinPath(file: string): string {
  return join(dirname(resolve(file)), 'root.json');
}

function makeFolders(config: Config): void {
  const paths = pathsOf(config.root, config.state);
  makeDirectoryDurably(paths.deployments);
  makeDirectoryDurably(paths.state, 0o700);
}

function need(option: string, value: string | undefined): string {
  if (value !== undefined && value !== '') return value;
  throw new CliError(
    'USAGE',
    `--${option}: expected a value, found none`,
    `see 'updater init --help'`,
  );
}

function requireSome(context: Context, option: string): string[] {
  const values = context.list(option);
  need(option, values[0]);
  return values;
}
