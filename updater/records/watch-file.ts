/**
 * `watch.json`: what was seen of a release in probation since its verdict: how
 * long it was watched, and how often each service started again by itself.
 * Losing it begins the probation anew, and nothing else; a corrupt one is as
 * good as none.
 */
import { readJsonFile, writeFileDurably } from '@landfall/durable';
import { z } from '@landfall/manifest';

const serviceSchema = z.object({
  name: z.string(),
  /** Starts that were not ours, since the verdict. */
  restarts: z.int().check(z.minimum(0)),
  /** systemd's own count at the last look. */
  count: z.optional(z.int().check(z.minimum(0))),
  /** The process at the last look, where the manager keeps no count. */
  process: z.optional(z.object({ pid: z.int(), start: z.string() })),
});

const watchSchema = z.object({
  schema: z.literal(1),
  /** Id of the deployment that is watched. */
  deployment: z.string(),
  /** Milliseconds it was watched in earlier starts of the machine; the time it was off is not among them. */
  before: z.number().check(z.minimum(0)),
  bootId: z.string(),
  /** Uptime in milliseconds when the watch began in this start, and at the last look. */
  began: z.number(),
  seen: z.number(),
  services: z.array(serviceSchema),
});

/** What was seen of one release in probation. `began` and `seen` are of the start `bootId`. */
export type Watch = z.infer<typeof watchSchema>;
/** What was seen of one service, and what the next look compares with. */
export type WatchedService = Watch['services'][number];

/** The watch over the deployment named `id`; undefined when nobody wrote one down. */
export function readWatch(path: string, id: string): Watch | undefined {
  const file = readJsonFile(path, watchSchema);
  return file.state === 'ok' && file.value.deployment === id ? file.value : undefined;
}

/** Writes `watch.json`. Throws `DurableError`. */
export function writeWatch(path: string, watch: Watch): void {
  writeFileDurably(path, `${JSON.stringify(watch, null, 2)}\n`);
}
