/**
 * The node's configuration: TOML, checked against a schema, with a default for
 * everything but the app, the mirrors and the public keys. Unknown keys are
 * refused: a misspelt `probation` must not quietly be the default.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describeIssues, describeSystemError, messageOf } from '@landfall/errors';
import { isChannelName, z } from '@landfall/manifest';
import { parsePublicKey } from '@landfall/minisign';
import { withholdVariables } from '@landfall/cli';
import { mirrorConfigSchema, secretVariables } from '@landfall/mirrors';
import type { TrustPolicy } from '@landfall/trust';
import { parse as parseToml, TomlError } from 'smol-toml';
import { windowSchema } from './config-pace.ts';
import { checkSchema, quiesceSchema, snapshotSchema } from './config-hooks.ts';
import {
  argv,
  bandwidth,
  component,
  duration,
  path,
  serviceManager,
  serviceName,
} from './config-values.ts';
import { UpdaterError } from './errors.ts';
import { requireOwn } from './own-file.ts';
import { isLoopbackHost } from './probe/loopback.ts';

const MAX_CONFIG_BYTES = 1024 * 1024;
/** docs/operators.md: a release that breaks a node is gone within this time. */
const DEFAULT_WINDOW = '90s';

const loopbackUrl = z.string().check(
  z.superRefine((text, context) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol)) {
      context.addIssue('expected an address such as https://127.0.0.1/');
    } else if (!isLoopbackHost(url.hostname)) {
      context.addIssue(
        `expected an address of this machine (127.0.0.1, [::1] or localhost), found '${url.hostname}'`,
      );
    } else if (url.username !== '' || url.search !== '' || url.hash !== '') {
      context.addIssue('expected an address without credentials, ? and #');
    }
  }),
);

const tls = z
  .string()
  .check(
    z.regex(
      /^(?:system|insecure|sha256:[0-9a-f]{64})$/,
      'expected "system", "insecure" or "sha256:" and 64 lower-case hex digits',
    ),
  );

const probeSchema = z
  .strictObject({
    url: z._default(
      loopbackUrl.check(
        z.refine(
          (text) => new URL(text).pathname.endsWith('/'),
          'expected an address that ends in /',
        ),
      ),
      'https://127.0.0.1/',
    ),
    /** Host header and TLS name, where the server tells sites apart by name. */
    host: z.optional(z.string().check(z.regex(/^[A-Za-z0-9.-]{1,253}$/))),
    component: z._default(component, 'web-ui'),
    window: z.prefault(duration, DEFAULT_WINDOW),
    interval: z.prefault(duration, '2s'),
    timeout: z.prefault(duration, '5s'),
    passes: z._default(z.int().check(z.minimum(1), z.maximum(100)), 3),
    assets: z._default(z.int().check(z.minimum(0), z.maximum(1000)), 8),
    tls: z._default(tls, 'system'),
    /** For pages rendered at run time: JSON that names the version, instead of the bytes. */
    version_url: z.optional(loopbackUrl),
    version_field: z._default(z.string().check(z.minLength(1)), 'version'),
  })
  .check(
    z.refine((probe) => probe.window >= probe.interval, {
      path: ['window'],
      message: "expected at least 'interval'",
    }),
  );

const serviceSchema = z.lazy(() =>
  z
    .strictObject({
      name: serviceName,
      manager: serviceManager,
      action: z._default(z.enum(['restart', 'reload']), 'restart'),
      /** For manager "command": what to run; no shell. */
      restart: z.optional(argv),
      /** Whose file the new process must run. */
      component: z.optional(component),
      pid_file: z.optional(path),
      timeout: z.prefault(duration, '30s'),
    })
    .check(
      z.superRefine((service, context) => {
        const problem = (key: string, message: string): void =>
          context.addIssue({ code: 'custom', path: [key], message });
        if ((service.manager === 'command') !== (service.restart !== undefined)) {
          problem('restart', 'expected with manager "command", and with no other');
        }
        if (service.component === undefined) return;
        if (service.action === 'reload') {
          problem('component', 'a reloaded process keeps its file: expected action "restart"');
        }
        if (service.manager !== 'systemd' && service.pid_file === undefined) {
          problem('pid_file', "expected with 'component': which process is to be looked at?");
        }
      }),
    ),
);

const runSchema = z.strictObject({
  // Without a pause, round would follow round, and each asks all mirrors.
  interval: z.prefault(
    duration.check(z.refine((ms) => ms > 0, 'expected a duration above zero, such as "1h"')),
    '1h',
  ),
  jitter: z.prefault(duration, '5m'),
});

/** For `updater units install`. */
const unitsSchema = z.strictObject({
  /** Lines added to [Service] of every unit of the updater: what hooks and check commands need. */
  service: z._default(
    z.array(
      z
        .string()
        .check(z.regex(/^[A-Z][A-Za-z]*=[^\n]*$/, 'expected a line such as ReadWritePaths=/srv')),
    ),
    [],
  ),
});

const healSchema = z.strictObject({
  enabled: z._default(z.boolean(), true),
  /** Between two looks of `updater run`. */
  interval: z.prefault(
    duration.check(z.refine((ms) => ms >= 1000, 'expected at least "1s"')),
    '30s',
  ),
  /** What becomes of files in a deployment that are not of its release. */
  extra: z._default(z.enum(['aside', 'report']), 'aside'),
});

const updaterSchema = z.strictObject({
  /** The component that is the updater itself, if releases bring one. */
  component: z.optional(component),
  /** How long a new one may take to prove itself. */
  proof_timeout: z.prefault(duration, '2m'),
});

const publicKey = z.string().check(
  z.superRefine((text, context) => {
    try {
      parsePublicKey(text);
    } catch (error) {
      context.addIssue(messageOf(error));
    }
  }),
);

const everyKey = z.strictObject({
  app: component,
  channel: z.optional(
    z.string().check(z.refine(isChannelName, 'expected a channel name such as stable')),
  ),
  public_keys: z.optional(
    z.array(publicKey).check(z.minLength(1, 'expected at least one public key (RW…)')),
  ),
  /** Of `public_keys`; 1 unless told. */
  threshold: z.optional(z.int().check(z.minimum(1))),
  /** In place of them: the root document that is believed, and whatever follows from it. */
  trusted_root: z.optional(path),
  /** How far above the newest accepted one a sequence may be. */
  max_sequence_jump: z._default(z.int().check(z.minimum(1)), 1000),
  mirrors: z.array(mirrorConfigSchema).check(z.minLength(1, 'expected at least one mirror')),
  /** Bytes a second that artifacts are read with at most; no limit unless told. */
  bandwidth: z.optional(bandwidth),
  root: z.optional(path),
  state: z._default(path, '/var/lib/landfall'),
  keep: z._default(z.int().check(z.minimum(1), z.maximum(1000)), 3),
  probation: z.prefault(duration, '10m'),
  /** Starts of a service that were not ours, in probation, that are still borne. */
  probation_restarts: z._default(z.int().check(z.minimum(0), z.maximum(1000)), 3),
  /** How long after it was seen a release is taken: each node waits a part of it of its own. */
  jitter: z.prefault(duration, '0s'),
  /** Releases that are installed within 24 hours; no limit unless told. */
  max_per_day: z.optional(z.int().check(z.minimum(1), z.maximum(1000))),
  windows: z._default(z.array(windowSchema), []),
  web_user: z.optional(
    z.string().check(z.regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'expected the name of a user')),
  ),
  /** Archives are unpacked by a process without rights. */
  sandbox: z._default(z.boolean(), false),
  /** Files that a release has in common with what runs are stored once. */
  share_files: z._default(z.boolean(), true),
  /** Releases come by what changed, where their maintainers publish that. */
  deltas: z._default(z.boolean(), true),
  probe: z.prefault(probeSchema, {}),
  services: z._default(z.array(serviceSchema), []),
  /** Before a switch: `nginx -t`, or the program given; with a service nginx unless told. */
  nginx_test: z.optional(z.union([z.boolean(), argv])),
  /** Before a switch: are the shared libraries of the release's programs there? */
  library_check: z._default(z.boolean(), true),
  checks: z._default(z.array(checkSchema), []),
  quiesce: z._default(z.array(quiesceSchema), []),
  snapshot: z.optional(snapshotSchema),
  run: z.prefault(runSchema, {}),
  updater: z.prefault(updaterSchema, {}),
  units: z.prefault(unitsSchema, {}),
  heal: z.prefault(healSchema, {}),
});

/** All that may stand in the file; `init/template.ts` names each key of it. */
export const configSchema = everyKey.check(
  z.superRefine(({ public_keys: keys, threshold, trusted_root: root }, context) => {
    if (root !== undefined && (keys ?? threshold) !== undefined) {
      const other = keys === undefined ? 'threshold' : 'public_keys';
      context.addIssue(
        `expected 'public_keys' or 'trusted_root', found both 'trusted_root' and '${other}'`,
      );
    } else if (root === undefined && keys === undefined) {
      context.addIssue("expected 'public_keys' or 'trusted_root', found neither");
    } else if (keys !== undefined && (threshold ?? 1) > keys.length) {
      const message = `expected at most the number of public keys (${keys.length}), found ${threshold}`;
      context.addIssue({ code: 'custom', path: ['threshold'], message });
    }
  }),
);

type FileConfig = z.infer<typeof configSchema>;
/** `[probe]` with its defaults; durations in milliseconds. */
export type ProbeConfig = FileConfig['probe'];
/** One `[[services]]` with its defaults; `timeout` in milliseconds. */
export type ServiceConfig = FileConfig['services'][number];

/** The configuration with every default filled in. Durations in milliseconds. */
export interface Config extends FileConfig {
  root: string;
  /** Of `public_keys`; undefined with `trusted_root`. */
  policy: TrustPolicy | undefined;
  /** The file it came from. */
  file: string;
}

/** Reads and checks the file at `path`. Throws `UpdaterError` CONFIG. */
export function loadConfig(file: string): Config {
  const config = parseConfig(readConfig(file), file);
  withholdVariables(secretVariables(config.mirrors));
  return config;
}

/** Checks a configuration's text; `file` names it in messages. Throws `UpdaterError` CONFIG. */
export function parseConfig(text: string, file: string): Config {
  let value: unknown;
  try {
    value = parseToml(text);
  } catch (error) {
    throw wrong(file, describeToml(error), error);
  }
  const result = configSchema.safeParse(value);
  if (!result.success) throw wrong(file, describeIssues(result.error.issues), result.error);
  const config = result.data;
  const root = config.root ?? `/opt/${config.app}`;
  if (resolve(root) === resolve(config.state)) {
    throw wrong(file, `expected two folders for 'root' and 'state', found '${root}' for both`);
  }
  return {
    ...config,
    root,
    policy: policyOf(config),
    file,
  };
}

function policyOf({ public_keys: listed, threshold = 1 }: FileConfig): TrustPolicy | undefined {
  return listed && { keys: listed.map((text) => parsePublicKey(text)), threshold };
}

/** What keeps it from being TOML, and where; the lines that the parser shows are left out. */
function describeToml(error: unknown): string {
  if (!(error instanceof TomlError)) return `is not TOML: ${messageOf(error)}`;
  const { line, column, message } = error;
  const [what = ''] = message.replace(/^Invalid TOML document: /, '').split('\n');
  return `is not TOML at line ${line}, column ${column}: ${what}`;
}

/** What was looked at and what is read is one descriptor. */
function readConfig(file: string): string {
  let fd: number | undefined;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const info = fstatSync(fd);
    requireOwn(info, { file, what: 'configuration', why: 'it names commands to run' });
    if (!info.isFile()) throw wrong(file, 'is not a regular file');
    if (info.size > MAX_CONFIG_BYTES) throw wrong(file, `is larger than ${MAX_CONFIG_BYTES} bytes`);
    return readFileSync(fd, 'utf8');
  } catch (error) {
    if (error instanceof UpdaterError) throw error;
    const what = describeSystemError(error)?.what ?? messageOf(error);
    throw new UpdaterError('CONFIG', `cannot read configuration '${file}': ${what}`, {
      hint: "write one with 'updater init', or name it with --config FILE",
      cause: error,
    });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function wrong(file: string, what: string, cause?: unknown): UpdaterError {
  return new UpdaterError('CONFIG', `configuration '${file}': ${what}`, {
    hint: `correct ${file}; 'updater init --dry-run' prints one with every key`,
    cause,
  });
}
