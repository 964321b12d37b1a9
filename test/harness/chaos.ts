/**
 * How many of the moments at which something may die are visited. All of them
 * by `npm run test:chaos` (which CI runs as well); `npm test` visits some,
 * evenly spread, and says how many it left out.
 */
export const isFullChaos = process.env['LANDFALL_CHAOS'] === 'full';

/** All of `moments`, or about `most` of them: the first, the last, and others evenly between. */
export function visited<T>(what: string, moments: readonly T[], most: number): readonly T[] {
  if (isFullChaos || moments.length <= most) return moments;
  const step = (moments.length - 1) / (most - 1);
  const some = Array.from({ length: most }, (_, index) => moments[Math.round(index * step)] as T);
  console.log(`${what}: ${most} of ${moments.length}; 'npm run test:chaos' visits all`);
  return some;
}

/** Which part of a list a test file takes, counted from 0: files run side by side. */
export interface Share {
  part: number;
  parts: number;
}

/** Every `parts`th of `all`, from `part` on. */
export function share<T>(all: readonly T[], { part, parts }: Share): readonly T[] {
  return all.filter((_, index) => index % parts === part);
}
