/**
 * Which paths may travel, how they are ordered, and which two are one on some
 * file system. A path here is relative, with `/` between names and without a
 * leading `./` or trailing `/`; the root is `.`.
 */

/** Bytes of one name that every common file system takes. */
const MAX_NAME_BYTES = 255;

/** Control characters (Unicode Cc), line separators, and the marks that turn text around. */
const CONTROL = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;
const CONTROLS = new RegExp(CONTROL, 'gu');
// oxlint-disable-next-line no-control-regex -- NUL to DEL is what ASCII means
const ASCII = /^[\0-\x7f]*$/;

const SLASH = 0x2f;
const DOT = 0x2e;
/** 1 for the characters of most paths. */
const PLAIN = Uint8Array.from({ length: 128 }, (_, code) =>
  Number(/[A-Za-z0-9_./-]/.test(String.fromCharCode(code))),
);

/** Code points that case-insensitive file systems pass over when they compare names (Unicode DerivedCoreProperties). */
const IGNORED = /\p{Default_Ignorable_Code_Point}/gu;

/** `bytes` as text, or undefined when they are not UTF-8. A byte order mark is kept. */
export function decodeName(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** A path in quotes for a message: control characters as `\u{7}`, at most 200 characters. */
export function quotePath(path: string): string {
  const short = path.length > 200 ? `${path.slice(0, 200)}…` : path;
  const escaped = short
    .replaceAll(CONTROLS, (mark) => `\\u{${mark.codePointAt(0)?.toString(16)}}`)
    .toWellFormed();
  return `'${escaped}'`;
}

/** Why `path` may not travel, or undefined when it may. `limits` in bytes and names. */
export function pathProblem(
  path: string,
  limits: { maxPathBytes: number; maxDepth: number },
): string | undefined {
  if (isPlain(path, limits)) return undefined;
  if (path === '') return 'is an empty path';
  if (/^(?:[/\\]|[A-Za-z]:[/\\])/.test(path)) return 'is an absolute path';
  if (CONTROL.test(path)) return 'has a control character in its name';
  const bytes = byteLength(path);
  if (bytes > limits.maxPathBytes) {
    return `is too long: expected at most ${limits.maxPathBytes} bytes, found ${bytes}`;
  }
  const names = path.split('/');
  if (names.length > limits.maxDepth) {
    return `is too deep: expected at most ${limits.maxDepth} names, found ${names.length}`;
  }
  for (const name of names) {
    if (name === '') return 'has an empty name in its path';
    if (name === '..' || name === '.') return `has '${name}' in its path`;
    if (name.length > MAX_NAME_BYTES / 4 && byteLength(name) > MAX_NAME_BYTES) {
      return `has a name that is too long: expected at most ${MAX_NAME_BYTES} bytes, found ${byteLength(name)}`;
    }
  }
  return climbsElsewhere(path) ? "has a spelling of '..' in its path" : undefined;
}

/**
 * Whether `path` is of letters, digits and `-`, `_`, `.`, `/` alone, with names that are neither
 * empty, nor too long, nor begin with a dot: most are, and there is nothing wrong with them.
 */
function isPlain(
  path: string,
  { maxPathBytes, maxDepth }: { maxPathBytes: number; maxDepth: number },
): boolean {
  if (path.length > Math.min(maxPathBytes, MAX_NAME_BYTES)) return false;
  let depth = 1;
  let isFirst = true;
  for (let at = 0; at < path.length; at += 1) {
    const code = path.charCodeAt(at);
    if (isFirst && (code === SLASH || code === DOT)) return false;
    isFirst = code === SLASH;
    if (isFirst) depth += 1;
    if (PLAIN[code] !== 1) return false;
  }
  return !isFirst && depth <= maxDepth;
}

/**
 * Whether anything that reads `path` otherwise than Linux could climb by it:
 * backslashes as separators, dots and slashes in compatibility forms or percent
 * encoding, or hidden behind marks that are passed over. Such names say
 * nothing that an honest release needs to say.
 */
function climbsElsewhere(path: string): boolean {
  if (ASCII.test(path) && !/[\\%]/.test(path)) return false;
  const plain = path
    .normalize('NFKC')
    .replaceAll(IGNORED, '')
    .replaceAll(/%2e/gi, '.')
    .replaceAll(/%(?:2f|5c)/gi, '/');
  return plain.split(/[/\\]/).includes('..');
}

function byteLength(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}

/**
 * The same text for any two paths that a case-insensitive or
 * Unicode-normalising file system takes for one: Unicode case folding by way of
 * lower, upper and lower case (so that ẞ, ß and SS meet) around NFD, without
 * the code points that such file systems pass over (ext4's and f2fs's casefold,
 * HFS+).
 */
export function foldPath(path: string): string {
  if (ASCII.test(path)) return path.toLowerCase();
  const shown = path.replaceAll(IGNORED, '');
  return shown.normalize('NFD').toLowerCase().toUpperCase().toLowerCase().normalize('NFD');
}

/** Order of the UTF-8 bytes of two texts, without making them. JavaScript's own order differs above U+FFFF. */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left !== right) return byteRank(left) - byteRank(right);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above every other unit, so they sort last. */
function byteRank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** The path of the directory that holds `path`; `.` for the root's children. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash === -1 ? '.' : path.slice(0, slash);
}

/** Whether a stored name is the root in any spelling: `./`, `.`, `/`, `a/..`, empty. */
export function resolvesToRoot(name: string): boolean {
  if (name.length > 4096) return false;
  // Most names climb nowhere: then only dots and slashes are left of the root.
  if (!name.includes('..')) return /^[./]*$/.test(name);
  const stack: string[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') stack.push(part);
    else if (stack.pop() === undefined) return false;
  }
  return stack.length === 0;
}
