/**
 * The environment of programs that we start: ours, without the variables that
 * hold a password or a token. What a build, a hook or a check prints ends up in
 * logs. Which variables these are, a configuration says when it is loaded.
 */

const withheld = new Set<string>();

/** Variables of these names are not handed on any more. */
export function withholdVariables(names: Iterable<string>): void {
  for (const name of names) withheld.add(name);
}

/** A copy of this process's environment without what is withheld. */
export function childEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !withheld.has(name)));
}
