/** What a new node can be seen to have. Asks mirrors and this machine, and changes nothing. */
import { existsSync } from 'node:fs';
import { connect } from 'node:tls';
import { messageOf } from '@landfall/errors';
import {
  openMirrors,
  surveyMirrors,
  walkRoot,
  type MirrorConfig,
  type Survey,
} from '@landfall/mirrors';
import type { TrustPolicy, VerifiedRoot } from '@landfall/trust';
import { certificatePin, getBounded } from '../probe/request.ts';

const ANSWER_TIMEOUT_MS = 5000;

/** What `--mirror` may mean: a repository of a Gitea server, or a folder in our layout, wherever it is served. */
export function mirrorCandidates(text: string): MirrorConfig[] {
  if (text.startsWith('/')) return [{ type: 'directory', path: text }];
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const directory: MirrorConfig = { type: 'directory', url: text };
  if (url === undefined || url.protocol === 'file:') return [directory];
  const segments = url.pathname.split('/').filter(Boolean);
  const repository = segments
    .slice(-2)
    .join('/')
    .replace(/\.git$/, '');
  if (segments.length < 2) return [directory];
  const base = `${url.origin}${segments
    .slice(0, -2)
    .map((each) => `/${each}`)
    .join('')}`;
  return [{ type: 'gitea', url: base, repository }, directory];
}

/** The candidate that shows a release to believe, else the last; and what became of asking. */
export async function pickMirror(
  text: string,
  options: {
    app: string;
    channel?: string | undefined;
    trust: TrustPolicy | VerifiedRoot;
    signal: AbortSignal;
  },
): Promise<{ config: MirrorConfig; finding: string }> {
  const candidates = mirrorCandidates(text);
  let finding = 'not asked';
  for (const config of candidates) {
    const mirrors = openMirrors([config]);
    const { trust, ...asked } = options;
    const policy = 'root' in trust ? (await walkRoot(mirrors, trust, asked)).newest.root : trust;
    const survey = await surveyMirrors(mirrors, { ...asked, policy });
    finding = describeSurvey(survey);
    if (survey.best !== undefined) return { config, finding };
  }
  return { config: candidates.at(-1) ?? { type: 'directory', url: text }, finding };
}

function describeSurvey({ rows, best }: Survey): string {
  if (best !== undefined) return `shows ${best.manifest.version} (${best.manifest.channel})`;
  return rows[0]?.problem === undefined ? 'shows nothing' : messageOf(rows[0].problem);
}

/** systemd where it runs, else OpenRC. */
export function detectServiceManager(): 'systemd' | 'openrc' {
  return existsSync('/run/systemd/system') ? 'systemd' : 'openrc';
}

/** A web server that answered at `url`, with whatever status; `finding` tells so to people. */
export interface FoundServer {
  url: string;
  /** For `probe.tls`; undefined where http is spoken. */
  tls?: string;
  finding: string;
}

/** What answers on this machine, at `url` or at the usual places. */
export async function detectServer(
  url: string | undefined,
  signal: AbortSignal,
): Promise<FoundServer | undefined> {
  for (const each of url === undefined ? ['https://127.0.0.1/', 'http://127.0.0.1/'] : [url]) {
    const found = await tryServer(each, signal);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function tryServer(url: string, signal: AbortSignal): Promise<FoundServer | undefined> {
  const limits = { maxBytes: 1024, timeoutMs: ANSWER_TIMEOUT_MS, signal };
  const ask = async (tls: string): Promise<number | undefined> =>
    getBounded({ url: new URL(url), tls }, limits).then(
      ({ status }) => status,
      () => undefined,
    );
  const isTls = url.startsWith('https:');
  const trusted = await ask('system');
  if (trusted !== undefined) {
    return { url, ...(isTls ? { tls: 'system' } : {}), finding: `${url} answers ${trusted}` };
  }
  const status = isTls ? await ask('insecure') : undefined;
  if (status === undefined) return undefined;
  const pin = await readPin(new URL(url));
  const tls = pin === undefined ? 'insecure' : `sha256:${pin}`;
  return { url, tls, finding: `${url} answers ${status}, with a certificate of its own` };
}

async function readPin({ hostname, port }: URL): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = connect({
    host: hostname.replaceAll(/[[\]]/g, ''),
    port: port === '' ? 443 : Number(port),
    rejectUnauthorized: false,
    timeout: ANSWER_TIMEOUT_MS,
  });
  socket.once('secureConnect', () => resolve(certificatePin(socket)));
  socket.once('error', () => resolve(undefined));
  socket.once('timeout', () => resolve(undefined));
  return promise.finally(() => socket.destroy());
}
