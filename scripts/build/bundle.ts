/**
 * Puts a program and all it imports into few CommonJS files. CommonJS, because
 * that is what starts fastest: an ES module that imports `node:http` makes Node
 * load everything that module could ever hand out. The same sources give the
 * same bytes, in any folder: paths in comments are cut off.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Plugin, rolldown } from 'rolldown';
import { requireLater } from './lazy.ts';

/** The checkout that this file is in. */
export const HOUSE = fileURLToPath(new URL('../..', import.meta.url));

/** The one module of ours that does something when it is loaded: every schema relies on it. */
const SETS_ZOD_UP = join(HOUSE, 'packages/manifest/zod.ts');

/** One file of a bundle: its name without a folder, and its text. */
export interface BundleFile {
  name: string;
  code: string;
  /** Folders, relative to the checkout, of the packages that code of is in it; sorted. */
  packages: readonly string[];
}

/**
 * Mirrors are asked over HTTP/1.1 alone (`mirrors/http.ts`), and undici loads
 * Node's HTTP/2 all the same: a tenth of a check's time, and four megabytes.
 */
const withoutHttp2: Plugin = {
  name: 'without-http2',
  load: (id) =>
    id.endsWith('/undici/lib/dispatcher/client-h2.js')
      ? "module.exports = () => { throw new Error('HTTP/2 is not built in'); };"
      : undefined,
};

/** A second parser of HTTP that undici brings and only uses when it is told to: a third of its size. */
const withoutMilo: Plugin = {
  name: 'without-milo',
  load: (id) =>
    /\/undici\/lib\/milo\/(?:no-)?simd\.js$/.test(id)
      ? "throw new Error('this parser is not built in');"
      : undefined,
};

/**
 * undici takes Node's own HTTP client along, for one number and for bodies that
 * are that client's answers, of which there are none here; and Node's assertions, which tell
 * more of what failed than its plain ones need. Both load a dozen modules each.
 */
const leanUndici: Plugin = {
  name: 'lean-undici',
  transform: (code, id) => {
    if (!id.includes('/undici/lib/')) return undefined;
    const lean = code.replace("const assert = require('node:assert')", () => ASSERT);
    if (id.endsWith('/undici/lib/dispatcher/client.js')) {
      return replaceOnce(lean, "require('node:http')", '{ maxHeaderSize: 16 * 1024 }');
    }
    return id.endsWith('/undici/lib/core/util.js')
      ? replaceOnce(lean, "require('node:http')", '{ IncomingMessage: class {} }')
      : lean;
  },
};

const ASSERT = `const assert = (value, message = 'expected otherwise') => {
  if (!value) throw message instanceof Error ? message : new Error(message)
}`;

/**
 * zod writes a program for every object schema when it is first used, and
 * remembers what it saw for values that contain themselves. Here nearly every
 * schema is used once in a process, on JSON or TOML, and both cost more than all else that
 * zod does.
 */
const plainZod: Plugin = {
  name: 'plain-zod',
  transform: (code, id) =>
    id.endsWith('/zod/v4/classic/schemas.js')
      ? replaceOnce(
          code,
          'if (!core.globalConfig.memoizer)\n        core.config({ memoizer: core.memoizer() });',
          'core.globalConfig.jitless = true;',
        )
      : undefined,
};

function replaceOnce(code: string, from: string, to: string): string {
  const parts = code.split(from);
  if (parts.length !== 2) throw new Error(`bundling: expected '${from}' once`);
  return parts.join(to);
}

/**
 * Bundles `entries` (name of the file without `.cjs`, and the source relative
 * to the checkout); what several of them share, or load later, stands in files
 * of its own, unless there is to be but one (`whole`). Throws what the bundler
 * finds wrong, warnings too.
 */
export async function bundle(
  entries: Readonly<Record<string, string>>,
  { plugins = [], whole = false }: { plugins?: readonly Plugin[]; whole?: boolean } = {},
): Promise<BundleFile[]> {
  const input = Object.fromEntries(
    Object.entries(entries).map(([name, source]) => [name, join(HOUSE, source)]),
  );
  const build = await rolldown({
    input,
    cwd: HOUSE,
    platform: 'node',
    external: /^node:/,
    // Our own modules define things and do nothing: one of which nothing is used is left out.
    // An import for its effect alone would be lost; a lint rule refuses it (import/no-unassigned-import).
    treeshake: {
      moduleSideEffects: (id) => (id.includes('/node_modules/') ? undefined : id === SETS_ZOD_UP),
    },
    plugins: [withoutHttp2, withoutMilo, leanUndici, plainZod, ...plugins],
    onLog: (_level, log) => {
      throw new Error(`bundling: ${log.message}`);
    },
  });
  try {
    const { output } = await build.generate({
      format: 'cjs',
      // What the licences of bundled packages ask for stays in.
      comments: { legal: true, annotation: false, jsdoc: false },
      entryFileNames: '[name].cjs',
      chunkFileNames: '[name]-[hash].cjs',
      // What is loaded later is then a function that runs later.
      codeSplitting: !whole,
    });
    return output.map((file) => {
      if (file.type === 'chunk') {
        return {
          name: file.fileName,
          code: requireLater(file.code),
          packages: packagesOf(file.modules),
        };
      }
      throw new Error(`bundling: expected only code, found '${file.fileName}'`);
    });
  } finally {
    await build.close();
  }
}

/** A package is bundled when something of it is left after what nobody uses was dropped. */
function packagesOf(modules: Readonly<Record<string, { renderedLength: number }>>): string[] {
  const used = Object.entries(modules).filter(([, { renderedLength }]) => renderedLength > 0);
  return [...new Set(used.flatMap(([id]) => packageOf(id) ?? []))].toSorted();
}

/** The nearest folder above a module with a package.json of its own. The bundler's own helpers are in none. */
function packageOf(module: string): string | undefined {
  if (!module.startsWith(HOUSE)) return undefined;
  const [folder] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(module) ?? [];
  if (folder !== undefined) return relative(HOUSE, folder);
  for (let at = dirname(module); at.startsWith(HOUSE); at = dirname(at)) {
    if (existsSync(join(at, 'package.json'))) return relative(HOUSE, at);
  }
  return undefined;
}

/** Writes a bundle's files to `folder`, which is made. */
export function writeBundle(folder: string, files: readonly BundleFile[]): void {
  mkdirSync(folder, { recursive: true });
  for (const { name, code } of files) writeFileSync(join(folder, name), code);
}
