/**
 * How long a node waits between seeing a release and taking it. The same node
 * waits the same time for the same release, however often it looks; a fleet
 * spreads evenly.
 */
import { createHash } from 'node:crypto';

/** Milliseconds from 0 up to, not including, `jitterMs`. */
export function jitterOf(node: string, digest: string, jitterMs: number): number {
  const hash = createHash('sha256').update(`${node}\n${digest}`).digest();
  return Math.floor((hash.readUIntBE(0, 6) / 2 ** 48) * jitterMs);
}
