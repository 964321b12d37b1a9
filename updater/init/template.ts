/**
 * The configuration that `updater init` writes: what was told or found, and every other key with its
 * default, as a comment. Every such line is TOML once its `# ` is gone.
 */
import type { MirrorConfig } from '@landfall/mirrors';

/** What `init` was told or found; of what is undefined, the default is written as a comment. */
export interface Answers {
  app: string;
  /** Public keys, or the path of the root document in their place. */
  trust: { keys: readonly string[]; threshold?: number | undefined } | { root: string };
  channel?: string | undefined;
  mirrors: readonly MirrorConfig[];
  root?: string | undefined;
  state?: string | undefined;
  webUser?: string | undefined;
  probeUrl?: string | undefined;
  tls?: string | undefined;
  services: readonly { name: string; manager: string }[];
}

/** Made up, for whoever wants to see every key; the key is none, so that nobody starts a node with it. */
export const EXAMPLE: Answers = {
  app: 'app',
  trust: { keys: ['RW…'] },
  mirrors: [{ type: 'directory', url: 'https://mirror.example.org/app' }],
  services: [],
};

/** The text of the file: TOML with comments. */
export function configText(answers: Answers): string {
  const { app, channel, mirrors, root, state, webUser, services } = answers;
  return [
    '# What this node runs, where it comes from, and how it is known to work.',
    `app = ${quote(app)}`,
    ...trustLines(answers.trust),
    '# Unset: the default channel, whatever its name.',
    setting('channel', channel, 'stable'),
    '# How far above the newest accepted one a sequence may be: further, and a key is in wrong hands.',
    '# max_sequence_jump = 1000',
    '# What all downloads together take of the network at most; no limit unless set. K, M and G count in 1024.',
    '# bandwidth = "2MB/s"',
    '',
    '# Releases stand below root; what the updater knows, in state.',
    setting('root', root, `/opt/${app}`),
    setting('state', state, '/var/lib/landfall'),
    '# Deployments that are kept. What runs and what ran before it are always kept.',
    'keep = 3',
    '# How long a release that passed is watched before it is committed.',
    'probation = "10m"',
    '# How often a service may start again by itself in that time; once more, and the release is left.',
    '# probation_restarts = 3',
    '# How long after it was seen a release is taken: each node waits a part of it, always the same.',
    '# jitter = "0s"',
    '# Releases that are installed within 24 hours; no limit unless set. Rollbacks are never counted.',
    '# max_per_day = 4',
    '# The user the web server runs as: it must be able to read the web UI before it is switched to.',
    setting('web_user', webUser, 'www-data'),
    '# Archives are unpacked by a process of their own that has no rights. Takes a little longer.',
    '# sandbox = false',
    '# Files that a release has in common with what runs are stored once, under two names.',
    '# share_files = true',
    '# Only what changed is downloaded, by deltas where maintainers publish them.',
    '# deltas = true',
    "# Before a switch: are the shared libraries of the release's programs there?",
    '# library_check = true',
    '# Before a switch: `nginx -t`. Unset: where nginx is one of the services. Or a command: ["nginx", "-t"].',
    '# nginx_test = true',
    '',
    '# The verdict. Only this machine is ever asked.',
    '[probe]',
    setting('url', answers.probeUrl, 'https://127.0.0.1/'),
    '# "system", "insecure" (it never leaves this machine), or "sha256:<digest of the certificate>".',
    setting('tls', answers.tls, 'system'),
    '# host = "node.example.org"        # Host header and TLS name, where sites are told apart by name',
    '# component = "web-ui"             # whose index.html and assets must be what is answered',
    '# window = "90s"                   # a release that does not pass within it is rolled back',
    '# interval = "2s"',
    '# timeout = "5s"',
    '# passes = 3                       # in a row',
    '# assets = 8',
    '# For pages rendered at run time, JSON that names the version instead of the bytes:',
    '# version_url = "https://127.0.0.1/api/version"',
    '# version_field = "version"',
    '',
    '# For `updater run`; with a timer, `updater once` is enough.',
    '[run]',
    '# interval = "1h"',
    '# jitter = "5m"',
    ...WINDOWS,
    '',
    '# Lines for [Service] of the units that `updater units install` writes, where hooks need more than they leave.',
    '[units]',
    '# service = ["ReadWritePaths=/srv/backups"]',
    '',
    '# What runs is kept as it was installed: at every start and every look.',
    '[heal]',
    '# enabled = true',
    '# interval = "30s"                 # for `updater run`',
    '# extra = "aside"                  # foreign files are moved to <root>/aside; "report" leaves them',
    ...ITSELF,
    ...MIRRORS,
    ...mirrors.flatMap((mirror) => ['', '[[mirrors]]', ...mirrorLines(mirror)]),
    ...serviceLines(services),
    ...AROUND_A_SWITCH,
    '',
  ].join('\n');
}

function trustLines(trust: Answers['trust']): string[] {
  if ('root' in trust) {
    return [
      '# The root document that says whose signatures count, and what may follow it; signatures beside it.',
      `trusted_root = ${quote(trust.root)}`,
    ];
  }
  return [
    "# The maintainer's public keys (minisign), and how many of them must have signed. Where maintainers",
    '# publish root documents, name the first in place of both: keys are then replaced without a visit.',
    `public_keys = [${trust.keys.map(quote).join(', ')}]`,
    setting('threshold', trust.threshold, 1),
    '# trusted_root = "/etc/landfall/root.json"',
  ];
}

const WINDOWS = [
  '',
  '# Releases are installed inside a window only; without one, at any time. What a person asks for,',
  '# and leaving a withdrawn release, does not wait. One window each, as many as you like.',
  '# [[windows]]',
  '# days = ["sat", "sun"]            # on which it begins; every day unless set',
  '# from = "22:00"',
  '# to = "03:00"                     # not after from: on the next day',
  '# timezone = "local"               # or "UTC", or "Europe/Berlin"',
];

const AROUND_A_SWITCH = [
  '',
  '# Run in a release that was unpacked, before anything is stopped: its folder is LANDFALL_DEPLOYMENT.',
  '# One that fails leaves the node as it is. Built in: library_check and nginx_test, at the top.',
  '# [[checks]]',
  '# name = "says-its-version"',
  '# command = ["./server", "--version"]',
  '# expect_version = false           # with true, its output must name the version',
  '# timeout = "30s"',
  '',
  '# Stopped before a switch and started after it, in reverse, if it ran: a worker that writes to the data.',
  '# [[quiesce]]',
  '# name = "archipelago-worker"',
  '# manager = "systemd"              # or "openrc", or "command" with stop and start',
  '# stop = ["/usr/local/bin/worker", "stop"]     # for "command": may be run twice, as start may',
  '# start = ["/usr/local/bin/worker", "start"]',
  '# timeout = "30s"',
  '',
  '# A snapshot of the data (never of the releases) before each switch. It is brought back only by',
  '# `updater rollback --restore-snapshot`.',
  '# [snapshot]',
  '# type = "btrfs"                   # or "zfs" with dataset, or "command" with create, restore and remove',
  '# subvolume = "/srv/archipelago"   # for "btrfs"',
  '# snapshots = "/srv/.landfall-snapshots"        # for "btrfs": where they go; beside the subvolume unless set',
  '# dataset = "tank/data"            # for "zfs"',
  '# create = ["/usr/local/bin/snapshot", "create"]    # for "command": each gets LANDFALL_SNAPSHOT, a name',
  '# restore = ["/usr/local/bin/snapshot", "restore"]',
  '# remove = ["/usr/local/bin/snapshot", "remove"]',
  '# keep = 3',
  '# required = true                  # without one nothing is installed',
  '# timeout = "5m"',
];

const MIRRORS = [
  '',
  '# Where releases come from. One mirror each, two or more if you can. Keys that stand beside its address:',
  '# [[mirrors]]',
  '# type = "gitea"                   # or "directory": a folder in our layout, wherever it is served',
  '# name = "north"                   # in messages; the host or the folder unless set',
  '# url = "https://git.example.org"  # of a directory also http:// and file://',
  '# repository = "owner/name"        # for "gitea"',
  '# branch = "main"                  # for "gitea"',
  '# path = "/srv/mirror"             # for "directory", in place of url',
  '# readToken = { env = "READ_TOKEN" }           # for "gitea", if not everybody may read; or a file',
  '# auth = { user = "node", password = { file = "/etc/landfall/password" } }    # in place of readToken',
  '# ca = "/etc/landfall/ca.pem"      # further authorities for TLS',
  '# allowOrigins = ["https://objects.example.org"]    # where it may redirect reads to',
];

const ITSELF = [
  '',
  '# The component that is this updater itself, if releases bring one. A new one takes over from',
  '# `<root>/updater` when its release is committed and it proved that it can do the work.',
  '# [updater]',
  '# component = "updater"',
  '# proof_timeout = "2m"',
];

function mirrorLines(mirror: MirrorConfig): string[] {
  return Object.entries(mirror).flatMap(([key, value]) =>
    typeof value === 'string' ? [`${key} = ${quote(value)}`] : [],
  );
}

function serviceLines(services: readonly { name: string; manager: string }[]): string[] {
  const example = [
    '',
    '# Restarted after every switch. A component names the file that the new process must run.',
    '# [[services]]',
    '# name = "archipelago"',
    '# manager = "systemd"              # or "openrc", or "command" with restart',
    '# action = "restart"               # or "reload"',
    '# restart = ["/usr/local/bin/archipelago", "restart"]    # for "command"',
    '# component = "server"',
    '# pid_file = "/run/archipelago.pid"            # with component, where systemd is not the manager',
    '# timeout = "30s"',
  ];
  const chosen = services.flatMap(({ name, manager }) => [
    '',
    '[[services]]',
    `name = ${quote(name)}`,
    `manager = ${quote(manager)}`,
  ]);
  return [...example, ...chosen];
}

/** `key = value`, or the default as a comment. */
function setting(
  key: string,
  value: string | number | undefined,
  byDefault: string | number,
): string {
  return value === undefined
    ? `# ${key} = ${JSON.stringify(byDefault)}`
    : `${key} = ${JSON.stringify(value)}`;
}

/** A TOML basic string; JSON's escapes are among TOML's. */
function quote(text: string): string {
  return JSON.stringify(text);
}
