/**
 * Whether the head that a mirror serves tells of what stands beside it. One that
 * does not may hide news from nodes for a day. A mirror without one is right.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { haltPath, indexPath, MAX_MANIFEST_BYTES } from '@landfall/manifest';
import { MirrorError } from './errors.ts';
import { HEAD_PATH, MAX_HEAD_BYTES, parseHead, tells } from './head.ts';
import type { Mirror } from './mirror.ts';

const DEADLINE_MS = 20_000;
/** Somebody may be publishing: head and files do not change in one moment. */
const REREAD_AFTER_MS = 250;

/**
 * What is wrong with it, given the channels that are known; undefined when nothing
 * is, and for a mirror that cannot be asked: that is found out otherwise.
 */
export async function problemOfHead(
  mirror: Mirror,
  channels: readonly (string | undefined)[],
  options: { signal?: AbortSignal } = {},
): Promise<MirrorError | undefined> {
  if ((await compare(mirror, channels, options)) === undefined) return undefined;
  await sleep(REREAD_AFTER_MS, undefined, options).catch(() => options.signal?.throwIfAborted());
  return compare(mirror, channels, options);
}

async function compare(
  ...asked: Parameters<typeof problemOfHead>
): Promise<MirrorError | undefined> {
  try {
    return await findWrong(...asked);
  } catch (error) {
    if (error instanceof MirrorError) return undefined;
    throw error;
  }
}

async function findWrong(
  mirror: Mirror,
  channels: readonly (string | undefined)[],
  options: { signal?: AbortSignal } = {},
): Promise<MirrorError | undefined> {
  const read = (path: string, maxBytes: number): Promise<Uint8Array | undefined> =>
    mirror.readIndex(path, { deadlineMs: DEADLINE_MS, ...options, maxBytes });
  const bytes = await read(HEAD_PATH, MAX_HEAD_BYTES);
  if (bytes === undefined) return undefined;
  const head = parseHead(bytes);
  if (head === undefined) return wrong(mirror, `'${HEAD_PATH}' is not a head`);
  const known = channels.flatMap((channel) => [indexPath(channel), haltPath(channel)]);
  for (const path of known) {
    if (tells(head, path, await read(path, MAX_MANIFEST_BYTES))) continue;
    return wrong(
      mirror,
      `its '${HEAD_PATH}' is not of the '${path}' beside it: nodes may see it a day late`,
    );
  }
  return undefined;
}

function wrong({ name }: Mirror, message: string): MirrorError {
  return new MirrorError('BAD_ANSWER', name, message, {
    hint: `write it again: mirrors sync --to ${name}`,
  });
}
