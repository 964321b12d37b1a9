/**
 * `node-id`: 128 random bits, made once, that tell this node from others. They
 * decide nothing but when a release that goes out in steps is taken. Lost, it is
 * made anew and the node's places change; one that makes no sense is left for
 * whoever looks into it, and no release in steps is taken meanwhile. A crash
 * leaves the whole file or none.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFileDurably } from '@landfall/durable';
import { systemCode } from '@landfall/errors';

const NODE_ID = /^[0-9a-f]{32}\n?$/;

/** The node's id, 32 hex digits; undefined when there is none yet. */
export function readNodeId(path: string): { id: string } | 'corrupt' | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  return NODE_ID.test(text) ? { id: text.trimEnd() } : 'corrupt';
}

/** Makes the node's id where there is none. Throws `DurableError`. */
export function keepNodeId(path: string): void {
  if (readNodeId(path) !== undefined) return;
  writeFileDurably(path, `${randomBytes(16).toString('hex')}\n`);
}
