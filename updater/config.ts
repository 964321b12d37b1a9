/**
 * The node's configuration: TOML, checked against a schema, with a default for
 * everything but the app, the mirrors and the public keys. Unknown keys are
 * refused: a misspelt `probation` must not quietly be the default.
 */
import { readFileSync, statSync } from 'node:fs';
import { describeIssues, describeSystemError, messageOf } from '@landfall/errors';
import { isChannelName } from '@landfall/manifest';
import { parsePublicKey } from '@landfall/minisign';
import { withholdVariables } from '@landfall/cli';
import { mirrorConfigSchema, secretVariables } from '@landfall/mirrors';
import type { TrustPolicy } from '@landfall/trust';
import { parse as parseToml } from 'smol-toml';
import { z } from 'zod';
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
import { isLoopbackHost } from './probe/loopback.ts';

const MAX_CONFIG_BYTES = 1024 * 1024;
/** docs/operators.md: a release that breaks a node is gone within this time. */
const DEFAULT_WINDOW = '90s';

const loopbackUrl = z.string().superRefine((text, context) => {
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
});

const tls = z
  .string()
  .regex(
    /^(?:system|insecure|sha256:[0-9a-f]{64})$/,
    'expected "system", "insecure" or "sha256:" and 64 lower-case hex digits',
  );

const probeSchema = z
  .strictObject({
    url: loopbackUrl
      .refine((text) => new URL(text).pathname.endsWith('/'), 'expected an address that ends in /')
      .default('https://127.0.0.1/'),
    /** Host header and TLS name, where the server tells sites apart by name. */
    host: z
      .string()
      .regex(/^[A-Za-z0-9.-]{1,253}$/)
      .optional(),
    component: component.default('web-ui'),
    window: duration.prefault(DEFAULT_WINDOW),
    interval: duration.prefault('2s'),
    timeout: duration.prefault('5s'),
    passes: z.int().min(1).max(100).default(3),
    assets: z.int().min(0).max(1000).default(8),
    tls: tls.default('system'),
    /** For pages rendered at run time: JSON that names the version, instead of the bytes. */
    version_url: loopbackUrl.optional(),
    version_field: z.string().min(1).default('version'),
  })
  .refine((probe) => probe.window >= probe.interval, {
    path: ['window'],
    message: "expected at least 'interval'",
  });

const serviceSchema = z
  .strictObject({
    name: serviceName,
    manager: serviceManager,
    action: z.enum(['restart', 'reload']).default('restart'),
    /** For manager "command": what to run; no shell. */
    restart: argv.optional(),
    /** Whose file the new process must run. */
    component: component.optional(),
    pid_file: path.optional(),
    timeout: duration.prefault('30s'),
  })
  .superRefine((service, context) => {
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
  });

const runSchema = z.strictObject({
  interval: duration.prefault('1h'),
  jitter: duration.prefault('5m'),
});

/** For `updater units install`. */
const unitsSchema = z.strictObject({
  /** Lines added to [Service] of every unit of the updater: what hooks and check commands need. */
  service: z
    .array(
      z.string().regex(/^[A-Z][A-Za-z]*=[^\n]*$/, 'expected a line such as ReadWritePaths=/srv'),
    )
    .default([]),
});

const healSchema = z.strictObject({
  enabled: z.boolean().default(true),
  /** Between two looks of `updater run`. */
  interval: duration.refine((ms) => ms >= 1000, 'expected at least "1s"').prefault('30s'),
  /** What becomes of files in a deployment that are not of its release. */
  extra: z.enum(['aside', 'report']).default('aside'),
});

const updaterSchema = z.strictObject({
  /** The component that is the updater itself, if releases bring one. */
  component: component.optional(),
  /** How long a new one may take to prove itself. */
  proof_timeout: duration.prefault('2m'),
});

const configSchema = z.strictObject({
  app: component,
  channel: z.string().refine(isChannelName, 'expected a channel name such as stable').optional(),
  public_keys: z.array(z.string()).min(1, 'expected at least one public key (RW…)').optional(),
  /** Of `public_keys`; 1 unless told. */
  threshold: z.int().min(1).optional(),
  /** In place of them: the root document that is believed, and whatever follows from it. */
  trusted_root: path.optional(),
  /** How far above the newest accepted one a sequence may be. */
  max_sequence_jump: z.int().min(1).default(1000),
  mirrors: z.array(mirrorConfigSchema).min(1, 'expected at least one mirror'),
  /** Bytes a second that artifacts are read with at most; no limit unless told. */
  bandwidth: bandwidth.optional(),
  root: path.optional(),
  state: path.default('/var/lib/landfall'),
  keep: z.int().min(1).max(1000).default(3),
  probation: duration.prefault('10m'),
  /** Starts of a service that were not ours, in probation, that are still borne. */
  probation_restarts: z.int().min(0).max(1000).default(3),
  /** How long after it was seen a release is taken: each node waits a part of it of its own. */
  jitter: duration.prefault('0s'),
  /** Releases that are installed within 24 hours; no limit unless told. */
  max_per_day: z.int().min(1).max(1000).optional(),
  windows: z.array(windowSchema).default([]),
  web_user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'expected the name of a user')
    .optional(),
  /** Archives are unpacked by a process without rights. */
  sandbox: z.boolean().default(false),
  /** Files that a release has in common with what runs are stored once. */
  share_files: z.boolean().default(true),
  /** Releases come by what changed, where their maintainers publish that. */
  deltas: z.boolean().default(true),
  probe: probeSchema.prefault({}),
  services: z.array(serviceSchema).default([]),
  /** Before a switch: `nginx -t`, or the program given; with a service nginx unless told. */
  nginx_test: z.union([z.boolean(), argv]).optional(),
  /** Before a switch: are the shared libraries of the release's programs there? */
  library_check: z.boolean().default(true),
  checks: z.array(checkSchema).default([]),
  quiesce: z.array(quiesceSchema).default([]),
  snapshot: snapshotSchema.optional(),
  run: runSchema.prefault({}),
  updater: updaterSchema.prefault({}),
  units: unitsSchema.prefault({}),
  heal: healSchema.prefault({}),
});

type FileConfig = z.infer<typeof configSchema>;
export type ProbeConfig = FileConfig['probe'];
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
    throw wrong(file, `is not TOML: ${messageOf(error).split(';')[0]}`, error);
  }
  const result = configSchema.safeParse(value);
  if (!result.success) throw wrong(file, describeIssues(result.error.issues), result.error);
  const config = result.data;
  return {
    ...config,
    root: config.root ?? `/opt/${config.app}`,
    policy: policyOf(config, file),
    file,
  };
}

function policyOf(config: FileConfig, file: string): TrustPolicy | undefined {
  const { public_keys: listed, threshold = 1, trusted_root: root } = config;
  if (root !== undefined) {
    const other = listed !== undefined ? 'public_keys' : 'threshold';
    if (listed === undefined && config.threshold === undefined) return undefined;
    throw wrong(
      file,
      `expected 'public_keys' or 'trusted_root', found both 'trusted_root' and '${other}'`,
    );
  }
  if (listed === undefined) {
    throw wrong(file, "expected 'public_keys' or 'trusted_root', found neither");
  }
  const keys = listed.map((text, index) => {
    try {
      return parsePublicKey(text);
    } catch (error) {
      throw wrong(file, `'public_keys.${index}': ${messageOf(error)}`, error);
    }
  });
  if (threshold > keys.length) {
    throw wrong(
      file,
      `'threshold': expected at most the number of public keys (${keys.length}), found ${threshold}`,
    );
  }
  return { keys, threshold };
}

function readConfig(file: string): string {
  try {
    const { size, mode } = statSync(file);
    if (size > MAX_CONFIG_BYTES) throw wrong(file, `is larger than ${MAX_CONFIG_BYTES} bytes`);
    if ((mode & 0o022) !== 0) {
      throw new UpdaterError('CONFIG', `configuration '${file}' can be written by others`, {
        hint: `it names commands to run: chmod go-w ${file}`,
      });
    }
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof UpdaterError) throw error;
    const what = describeSystemError(error)?.what ?? messageOf(error);
    throw new UpdaterError('CONFIG', `cannot read configuration '${file}': ${what}`, {
      hint: "write one with 'updater init', or name it with --config FILE",
      cause: error,
    });
  }
}

function wrong(file: string, what: string, cause?: unknown): UpdaterError {
  return new UpdaterError('CONFIG', `configuration '${file}': ${what}`, {
    hint: `correct ${file}; 'updater init --dry-run' prints one with every key`,
    cause,
  });
}
