/** What the way to a mirror tells: whether its clock is right, and how long its certificate is good. */
import { connect } from 'node:tls';
import { formatDuration } from '@landfall/cli';
import type { MirrorConfig, Named } from '../config.ts';
import { MirrorError } from '../errors.ts';
import { encodePath, HttpClient } from '../http.ts';
import { readCredential } from '../token.ts';
import type { Finding } from './finding.ts';

/** A clock that is wrong by more is told of. HTTP dates have whole seconds. */
const MAX_SKEW_MS = 5 * 60_000;
/** A certificate that is good for less is told of. */
const MIN_VALIDITY_MS = 21 * 86_400_000;
const DEADLINE_MS = 15_000;

/** Clock and certificate of a mirror that is reached over HTTP. What cannot be asked tells nothing. */
export async function checkTransport(
  config: Named<MirrorConfig>,
  signal?: AbortSignal,
): Promise<Finding[]> {
  const url = config.url === undefined ? undefined : new URL(config.url);
  if (url === undefined || url.protocol === 'file:') return [];
  const [skew, until] = await Promise.all([
    clockSkew(config, url, signal),
    url.protocol === 'https:' ? certificateEnd(url) : undefined,
  ]);
  return [...skewFindings(config.name, skew), ...certificateFindings(config.name, until)];
}

function skewFindings(mirror: string, skew: number | undefined): Finding[] {
  if (skew === undefined || Math.abs(skew) <= MAX_SKEW_MS) return [];
  const direction = skew > 0 ? 'ahead of' : 'behind';
  return [
    {
      mirror,
      code: 'CLOCK_SKEW',
      severity: 'warning',
      message: `its clock is ${formatDuration(Math.abs(skew))} ${direction} ours: expected at most ${formatDuration(MAX_SKEW_MS)}`,
      fix: "timedatectl set-ntp true    # on the mirror's machine; here first, if every mirror is off",
    },
  ];
}

function certificateFindings(mirror: string, until: number | undefined): Finding[] {
  const left = until === undefined ? undefined : until - Date.now();
  if (until === undefined || left === undefined || left >= MIN_VALIDITY_MS) return [];
  const date = new Date(until).toISOString();
  const gone = left <= 0;
  return [
    {
      mirror,
      code: 'CERTIFICATE_EXPIRES',
      severity: gone ? 'error' : 'warning',
      message: gone
        ? `its TLS certificate has expired at ${date}`
        : `its TLS certificate expires in ${formatDuration(left)}, at ${date}`,
      fix: "certbot renew    # on the mirror's machine, or what renews its certificate",
    },
  ];
}

/** Milliseconds that the server's clock is ahead of ours. Undefined when it does not say. */
async function clockSkew(
  config: Named<MirrorConfig>,
  url: URL,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const path = config.type === 'gitea' ? encodePath(config.repository) : 'releases/manifest.json';
  try {
    const authorization = readCredential(config, process.env);
    const client = new HttpClient({
      mirror: config.name,
      base: url.href,
      authorization,
      ca: config.ca,
    });
    const before = Date.now();
    const answer = await client.open('HEAD', path, {
      maxBytes: 0,
      deadlineMs: DEADLINE_MS,
      ...(signal === undefined ? {} : { signal }),
    });
    await answer.body.return?.();
    const theirs = Date.parse(answer.header('date') ?? '');
    return Number.isNaN(theirs) ? undefined : theirs - (before + Date.now()) / 2;
  } catch (error) {
    // That it cannot be reached is found where its index is read.
    if (error instanceof MirrorError) return undefined;
    throw error;
  }
}

/** When the certificate ends, in milliseconds. Only looked at: nothing is sent, so it need not be trusted. */
function certificateEnd(url: URL): Promise<number | undefined> {
  return new Promise((resolve) => {
    const host = url.hostname.replaceAll(/[[\]]/g, '');
    const named = /[a-z]/i.test(host) && !host.includes(':') ? { servername: host } : {};
    const port = url.port === '' ? 443 : Number(url.port);
    const socket = connect({ host, port, rejectUnauthorized: false, ...named }, () => {
      const end = Date.parse(socket.getPeerCertificate().valid_to);
      socket.destroy();
      resolve(Number.isNaN(end) ? undefined : end);
    });
    const giveUp = (): void => {
      socket.destroy();
      resolve(undefined);
    };
    socket.setTimeout(DEADLINE_MS, giveUp);
    socket.once('error', giveUp);
  });
}
