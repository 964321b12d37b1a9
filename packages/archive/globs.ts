/** Excludes: globs on the path inside the archive. */
import { matchesGlob } from 'node:path';

/**
 * A matcher over `patterns` that remembers which of them ever matched. A
 * pattern covers names that start with a dot like any other; one that matches
 * a folder covers all below it, because the scan does not go in.
 */
export interface Excludes {
  matches(path: string): boolean;
  /** Patterns that matched nothing so far: most likely a mistake. */
  unused(): string[];
}

/** `./` before a pattern and one slash behind it count for nothing. */
export function compileExcludes(patterns: readonly string[]): Excludes {
  const compiled = patterns.map((pattern) => ({
    pattern,
    glob: hideDots(pattern.replace(/^\.\//, '').replace(/\/$/, '')),
    used: false,
  }));
  return {
    matches(path) {
      if (compiled.length === 0) return false;
      const hidden = hideDots(path);
      let found = false;
      for (const each of compiled) {
        if (!matchesGlob(hidden, each.glob)) continue;
        each.used = true;
        found = true;
      }
      return found;
    },
    unused: () => compiled.filter((each) => !each.used).map((each) => each.pattern),
  };
}

/**
 * Node's matcher skips names that start with a dot unless the pattern spells
 * it. Each dot becomes another character on both sides, so it is a character
 * like any other.
 */
function hideDots(text: string): string {
  return text.replaceAll('.', '\u{e000}');
}
