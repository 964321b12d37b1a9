/** Halt files that fit the schema, signed, and put on mirrors. */
import { type Halt, haltPath, serializeHalt } from '@landfall/manifest';
import type { SecretKey } from '@landfall/minisign';
import { put } from './mirror-folder.ts';
import { signAll } from './signed-manifests.ts';

/** A halt of `version` with every field; a fresh copy each time. */
export function exampleHalt(changes: Partial<Halt> = {}): Halt {
  return {
    schema: 1,
    kind: 'halt',
    app: 'archipelago',
    channel: 'alpha',
    serial: 3,
    published: '2026-04-22T19:00:00Z',
    halted: [{ version: '1.7.41-alpha', reason: 'answers 500', at: '2026-04-22T19:00:00Z' }],
    ...changes,
  };
}

/** Puts a halt file, signed by `key`, into a mirror's folder. */
export function putHalt(
  folder: string,
  key: SecretKey,
  changes: Partial<Halt> = {},
  channelPath?: string,
): void {
  const bytes = serializeHalt(exampleHalt(changes));
  const [signature = ''] = signAll(bytes, [key]);
  put(folder, `${haltPath(channelPath)}.minisig`, signature);
  put(folder, haltPath(channelPath), bytes);
}
