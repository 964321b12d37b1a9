/**
 * Makes the files of a bundle load Node's modules when they first use them. As
 * the bundler writes it, a file requires all of them at its start; some take as
 * long as everything else that a short run does. The text is changed in whole
 * lines that the bundler alone writes.
 */

/** `let node_fs = require("node:fs");` */
const REQUIRE = /^let (node_\w+) = require\(("node:[^"\n]+")\);$/gm;

/**
 * An object with what is used of a module, each a getter until the first is
 * read: then the module is loaded, and what it is takes the getters' place.
 */
const LATER = `const later = (load, names) => {
	const all = {};
	const read = (name) => {
		const found = load();
		for (const each of names) Object.defineProperty(all, each, { value: found[each] });
		return found[name];
	};
	for (const name of names) Object.defineProperty(all, name, { configurable: true, get: () => read(name) });
	return all;
};
`;

/** The text of a bundled file that loads what it requires of Node when it first uses it. */
export function requireLater(code: string): string {
  let isNeeded = false;
  const changed = code.replaceAll(REQUIRE, (line, name: string, id: string) => {
    const names = usedOf(code, name);
    // Used as a whole: what it is used for may be anything.
    if (names === undefined) return line;
    isNeeded = true;
    return `const ${name} = later(() => require(${id}), ${JSON.stringify(names)});`;
  });
  return isNeeded ? LATER + changed : code;
}

/** Which properties of `name` the text reads; undefined when it does anything else with it. */
function usedOf(code: string, name: string): string[] | undefined {
  const uses = code.matchAll(
    new RegExp(String.raw`(?<![\w$]|(?<!\.\.)\.)${name}(?![\w$])(?:\.(\w+))?`, 'g'),
  );
  // The first is the line itself.
  const [, ...names] = [...uses].map(([, property]) => property);
  const used = names.filter((each) => each !== undefined);
  return used.length < names.length ? undefined : [...new Set(used)];
}
