/**
 * What systemd withholds from the updater. It runs as root and tells systemd
 * what to restart, so this is no wall around it: it is what a program that
 * went wrong, or a check command it runs, cannot do by accident.
 */

/**
 * What is left of root's capabilities, and for what: extracting (CHOWN,
 * DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER), looking at the release as the web
 * server's user and ending what does not end (SETUID, SETGID, KILL), reading
 * which file a service's process runs (SYS_PTRACE), `nginx -t`, which binds
 * to the ports of the configuration (NET_BIND_SERVICE).
 */
const CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_KILL',
  'CAP_NET_BIND_SERVICE',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SYS_PTRACE',
];

/**
 * Lines of [Service] that every unit of the updater has. `writable`: absolute
 * paths. /run and /var/log are writable besides: `nginx -t` writes its pid
 * file and opens its logs.
 */
export function hardeningLines(writable: readonly string[]): string[] {
  return [
    'ProtectSystem=strict',
    `ReadWritePaths=${[...writable, '/run', '-/var/log'].map(quotePath).join(' ')}`,
    'ProtectHome=yes',
    'PrivateTmp=yes',
    'PrivateDevices=yes',
    'PrivateMounts=yes',
    'ProtectProc=invisible',
    'ProtectClock=yes',
    'ProtectControlGroups=yes',
    'ProtectHostname=yes',
    'ProtectKernelLogs=yes',
    'ProtectKernelModules=yes',
    'ProtectKernelTunables=yes',
    'NoNewPrivileges=yes',
    'LockPersonality=yes',
    'RestrictNamespaces=yes',
    'RestrictRealtime=yes',
    'RestrictSUIDSGID=yes',
    'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6',
    'SystemCallArchitectures=native',
    'SystemCallFilter=@system-service',
    'SystemCallFilter=~@resources',
    'SystemCallErrorNumber=EPERM',
    `CapabilityBoundingSet=${CAPABILITIES.join(' ')}`,
    'KeyringMode=private',
    'LimitCORE=0',
  ];
}

/** `path` as a word of a unit file: quoted where it must be, specifiers and variables escaped. */
export function quotePath(path: string): string {
  const escaped = path.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /["'\s\\]/.test(escaped) ? JSON.stringify(escaped) : escaped;
}
