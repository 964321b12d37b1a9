/**
 * The proof of a new updater, asked for by the one that runs: started from its
 * own deployment as a process of its own, bounded in time and in what it may
 * say, it must answer this very challenge and know what we know. What it
 * prints is believed only as far as it can be compared.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { messageOf } from '@landfall/errors';
import { formatDuration, timerMs } from '@landfall/cli';
import { z } from '@landfall/manifest';
import type { Host } from '../host.ts';
import { findDisagreement, knowledgeOf, selfCheckSchema } from './knowledge.ts';

const MAX_OUTPUT = 1024 * 1024;

/** How a proof ended. `version` is what the new updater says of itself. */
export type ProofResult =
  | { outcome: 'proved'; version: string }
  | { outcome: 'failed'; reason: string; again: Again };

/**
 * Whether it may prove itself another time: `freely` where the mirrors or the disk
 * were to blame, `counted` where the machine may have been too slow or too full, or the program at fault.
 */
export type Again = 'freely' | 'counted' | 'never';

/** What stands against any program here. */
const NOT_ITS_FAULT = ['NO_MANIFEST', 'NO_SPACE', 'WRITE_FAILED'];

/** What a command prints with `--json` when it ends with an error. */
const errorSchema = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

/** Puts the program `file`, whose SHA-256 is `sha256`, to the proof. Changes nothing that counts. */
export async function prove(host: Host, file: string, sha256: string): Promise<ProofResult> {
  const { config } = host;
  const timeoutMs = config.updater.proof_timeout;
  const challenge = randomBytes(16).toString('hex');
  const args = ['self-check', '--json', '--challenge', challenge, '--config', config.file];
  const ended = await run(file, args, timeoutMs, host.signal);
  if ('problem' in ended) return { outcome: 'failed', reason: ended.problem, again: ended.again };
  const said = parse(ended.stdout);
  if (ended.code !== 0) {
    const told = errorSchema.safeParse(said);
    const reason = told.success ? told.data.error.message : `it ended with ${ended.code}`;
    const isExcused = told.success && NOT_ITS_FAULT.includes(told.data.error.code);
    return { outcome: 'failed', reason, again: isExcused ? 'freely' : 'never' };
  }
  const proof = selfCheckSchema.safeParse(said);
  if (!proof.success) {
    return { outcome: 'failed', reason: 'it ended with 0 and gave no proof', again: 'never' };
  }
  const { data } = proof;
  const problem =
    data.challenge !== challenge
      ? 'it answered another challenge'
      : data.program !== sha256
        ? `it says it is ${data.program.slice(0, 12)}, expected ${sha256.slice(0, 12)}`
        : findDisagreement(knowledgeOf(host), data.knowledge);
  if (problem !== undefined) return { outcome: 'failed', reason: problem, again: 'never' };
  return { outcome: 'proved', version: data.version };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

type Ended =
  | { code: number | NodeJS.Signals | null; stdout: string }
  | { problem: string; again: Again };

async function run(
  file: string,
  args: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  let stdout = '';
  // A group of its own, so that what hangs is ended with all that hangs on it.
  const child = spawn(file, args, {
    cwd: '/',
    env: environment(),
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  const end = (problem: string, again: Again): void => {
    resolve({ problem, again });
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It ended this very moment.
    }
  };
  const onAbort = (): void => end('the proof was interrupted', 'counted');
  signal.addEventListener('abort', onAbort);
  const late = `no proof within ${formatDuration(timeoutMs)}`;
  const timer = setTimeout(() => end(late, 'counted'), timerMs(timeoutMs));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    if (stdout.length > MAX_OUTPUT) end('it printed more than a proof', 'never');
  });
  child.once('error', (error) =>
    resolve({ problem: `it does not start: ${messageOf(error)}`, again: 'counted' }),
  );
  child.once('close', (code, killed) => resolve({ code: code ?? killed, stdout }));
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  });
}

/** Ours, for proxies and the like, without what is meant for this process alone. */
function environment(): NodeJS.ProcessEnv {
  const own = /^(?:LANDFALL_|NODE_|NOTIFY_SOCKET$|WATCHDOG_)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
}
