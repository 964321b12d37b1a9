/** What a new node can be seen to have. Asks mirrors and this machine, and changes nothing. */
import { existsSync } from 'node:fs';
import { connect } from 'node:tls';
import { messageOf } from '@landfall/errors';
import {
  MirrorError,
  openMirrors,
  surveyMirrors,
  walkRoot,
  type MirrorConfig,
  type Survey,
} from '@landfall/mirrors';
import type { TrustPolicy, VerifiedRoot } from '@landfall/trust';
import { certificatePin, getBounded } from '../probe/request.ts';

const ANSWER_TIMEOUT_MS = 5000;

/** Says that an address is that of a repository, as with `mirrors --mirror`. */
const GITEA = 'gitea:';

/** What `--mirror` may mean: a repository of a Gitea server, or a folder in our layout, wherever it is served. */
export function mirrorCandidates(text: string): MirrorConfig[] {
  if (text.startsWith('/')) return [{ type: 'directory', path: text }];
  if (text.startsWith(GITEA)) {
    const found = mirrorCandidates(text.slice(GITEA.length)).find(({ type }) => type === 'gitea');
    return [found ?? { type: 'directory', url: text }];
  }
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

/** What `--mirror` was taken for. */
export interface PickedMirror {
  config: MirrorConfig;
  /** What became of asking, for people. */
  finding: string;
  /** What else it may be, where nothing that it showed told. */
  others: MirrorConfig[];
}

/** The candidate that shows a release, believed or not; else the first, and the others with it. */
export async function pickMirror(
  text: string,
  options: {
    app: string;
    channel?: string | undefined;
    trust: TrustPolicy | VerifiedRoot;
    signal: AbortSignal;
  },
): Promise<PickedMirror> {
  const [first, ...others] = mirrorCandidates(text);
  let picked: PickedMirror | undefined;
  for (const config of first === undefined ? [] : [first, ...others]) {
    const mirrors = openMirrors([config]);
    const { trust, ...asked } = options;
    const policy = 'root' in trust ? (await walkRoot(mirrors, trust, asked)).newest.root : trust;
    const survey = await surveyMirrors(mirrors, { ...asked, policy });
    const finding = describeSurvey(survey);
    const problem = survey.rows[0]?.problem;
    // What is not believed was there all the same: another key or app, say.
    const isThere = survey.best !== undefined || !(problem instanceof MirrorError);
    if (isThere) return { config, finding, others: [] };
    picked ??= { config, finding, others };
  }
  if (picked === undefined) throw new Error(`no candidate for '${text}'`);
  return picked;
}

/**
 * What showed nothing (it is down, or nothing was published there yet) is taken for what all
 * others are that are asked by HTTP, else for a repository; and it is said.
 */
export function settleGuess(picked: PickedMirror, all: readonly PickedMirror[]): PickedMirror {
  if (picked.others.length === 0) return picked;
  const seen = all.filter((each) => each.others.length === 0).map((each) => each.config);
  const kinds = new Set(seen.filter((each) => isHttp(each.url)).map(({ type }) => type));
  const like = kinds.size === 1 ? picked.others.find(({ type }) => kinds.has(type)) : undefined;
  const config = like ?? picked.config;
  const doubt = 'a Gitea repository or a folder, nothing told which: look at its [[mirrors]]';
  return { config, others: [], finding: `${picked.finding}; ${doubt}` };
}

function isHttp(url: string | undefined): boolean {
  return url !== undefined && /^https?:/.test(url);
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
