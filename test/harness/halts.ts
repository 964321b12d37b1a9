/** Halt files that fit the schema, to be changed by tests. */
import type { Halt } from '@landfall/manifest';

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
