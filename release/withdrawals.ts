/**
 * Why versions were withdrawn: `withdrawnReasons` of the manifest, by version.
 * The field is for people; what nodes decide from is `withdrawn` alone.
 */
import type { Manifest } from '@landfall/manifest';
import { z } from 'zod';

const reasonsSchema = z.record(z.string(), z.string());

/** The most that `--reason` may say, in characters. */
export const MAX_REASON = 500;

/** The reasons that a manifest tells, by version; empty when it tells none. */
export function reasonsOf(manifest: Manifest): Readonly<Record<string, string>> {
  const read = reasonsSchema.safeParse(manifest['withdrawnReasons']);
  return read.success ? read.data : {};
}

/** What a manifest says of withdrawals. Without any reason the field is left out. */
export function withdrawalFields(
  withdrawn: readonly string[],
  reasons: Readonly<Record<string, string>>,
): Pick<Manifest, 'withdrawn'> & Record<string, unknown> {
  return {
    withdrawn: [...withdrawn],
    ...(Object.keys(reasons).length === 0 ? {} : { withdrawnReasons: reasons }),
  };
}
