/** Faults for a server, request by request, from a generator that a seed repeats. */
import type { Fault } from './http-faults.ts';

/** Every kind of fault that a run draws from; some more often than others. */
const KINDS: readonly ((random: () => number) => Fault)[] = [
  () => ({ kind: 'drop-before' }),
  (random) => ({ kind: 'drop-during', bytes: Math.floor(random() * 200_000) }),
  () => ({ kind: 'drop-after' }),
  () => ({ kind: 'drop-after' }),
  () => ({ kind: 'status', status: 500 }),
  () => ({ kind: 'status', status: 502 }),
  () => ({ kind: 'status-after', status: 502 }),
  (random) => ({ kind: 'delay', ms: random() * 300 }),
  (random) => ({ kind: 'slow', bytesPerSecond: 200_000 + random() * 1_000_000 }),
  (random) => ({ kind: 'stall-cut', ms: random() * 500 }),
  (random) => ({ kind: 'hold', ms: random() * 500 }),
  () => ({ kind: 'short' }),
  () => ({ kind: 'truncate' }),
  () => ({ kind: 'twice' }),
  () => ({ kind: 'twice' }),
  (random) => ({ kind: 'clock', skewMs: (random() - 0.5) * 2 * 86_400_000 }),
];

export interface RandomFaults {
  /** For `FaultHooks.choose`. */
  choose: (method: string, path: string) => Fault | undefined;
  /** How many of each kind were injected. */
  readonly counts: Map<string, number>;
  /** No more from now on. */
  stop(): void;
}

/** `share` of all requests is befallen; uploads and pushes twice as often. */
export function randomFaults(random: () => number, share: number): RandomFaults {
  const counts = new Map<string, number>();
  let running = true;
  return {
    counts,
    choose: (method, path) => {
      const changes = method !== 'GET' && !path.includes('git-upload-pack');
      if (!running || random() >= share * (changes ? 2 : 1)) return undefined;
      const fault = KINDS[Math.floor(random() * KINDS.length)]?.(random);
      // Only an upload is something that a second time would change.
      if (fault?.kind === 'twice' && !path.includes('/assets?name=')) return undefined;
      if (fault !== undefined) counts.set(fault.kind, (counts.get(fault.kind) ?? 0) + 1);
      return fault;
    },
    stop: () => {
      running = false;
    },
  };
}
