/**
 * One look at what this machine serves. Healthy means the identity of the
 * release: 200 with the bytes of its own page and assets, not merely 200. The
 * answer of an old process, a cache, a fallback page or an empty file is not.
 */
import { createHash } from 'node:crypto';
import { messageOf } from '@landfall/errors';
import type { ProbeConfig } from '../config.ts';
import { stopIfTold } from '../host.ts';
import type { Outcome } from '../facts.ts';
import type { Expected, ProbePlan } from './plan.ts';
import { getBounded, type Answer, type Target } from './request.ts';

/** No JSON document that names a version is larger. */
const MAX_VERSION_BYTES = 64 * 1024;

/** Asks for the page and its assets once, one after the other. */
export async function checkBytes(
  config: ProbeConfig,
  plan: ProbePlan,
  signal: AbortSignal,
): Promise<Outcome> {
  for (const expected of [plan.index, ...plan.assets]) {
    const url = addressOf(config.url, expected.path);
    const answer = await ask(config, url, expected.size, signal);
    const problem = 'rank' in answer ? answer : compare(answer, expected, plan, url);
    if (problem !== undefined) return problem;
  }
  return { rank: 'healthy', reason: `page and ${plan.assets.length} assets are this release's` };
}

/** Asks for the JSON document that names the version, once. */
export async function checkVersion(
  config: ProbeConfig,
  address: string,
  version: string,
  signal: AbortSignal,
): Promise<Outcome> {
  const url = new URL(address);
  const answer = await ask(config, url, MAX_VERSION_BYTES, signal);
  if ('rank' in answer) return answer;
  const found = readField(answer.body, config.version_field);
  if (found === version) return { rank: 'healthy', reason: `${url.pathname} says ${version}` };
  const shown = JSON.stringify(found)?.slice(0, 60) ?? 'nothing';
  return {
    rank: 'wrong',
    reason: `${url.pathname}: expected '${config.version_field}' to be "${version}", found ${shown}`,
  };
}

async function ask(
  config: ProbeConfig,
  url: URL,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Answer | Outcome> {
  const target: Target = { url, host: config.host, tls: config.tls };
  let answer: Answer;
  try {
    answer = await getBounded(target, { maxBytes, timeoutMs: config.timeout, signal });
  } catch (error) {
    stopIfTold(signal);
    return { rank: 'refused', reason: `${url.href}: ${messageOf(error)}` };
  }
  if (answer.status === 200) return answer;
  const { status, location } = answer;
  const to = location === undefined ? '' : ` (to ${location.slice(0, 100)}, not followed)`;
  return { rank: 'error', reason: `${url.href}: expected status 200, found ${status}${to}` };
}

function compare(
  answer: Answer,
  expected: Expected,
  plan: ProbePlan,
  url: URL,
): Outcome | undefined {
  if (!answer.cut && isThis(answer.body, expected)) return undefined;
  const size = answer.cut ? `more than ${expected.size}` : `${answer.body.length}`;
  const page = expected.path !== '' && isThis(answer.body, plan.index);
  const what = page ? 'the page itself (a fallback)' : `${size} other bytes`;
  const whose = expected.path === '' ? 'page' : 'asset';
  return {
    rank: 'wrong',
    reason: `${url.href}: expected this release's ${whose} (${expected.size} bytes), found ${what}`,
  };
}

function isThis(body: Buffer, { size, sha256 }: Expected): boolean {
  return body.length === size && createHash('sha256').update(body).digest('hex') === sha256;
}

function addressOf(base: string, path: string): URL {
  return new URL(path.split('/').map(encodeURIComponent).join('/'), base);
}

function readField(body: Buffer, field: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  for (const name of field.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name))
      return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}
