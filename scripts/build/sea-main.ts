/**
 * The first that runs in a single executable. The program's files are built in
 * beside it, and each is compiled when something requires it, or is there
 * compiled already: a start that has little to do pays for little. Nothing but these files and Node's own modules
 * can be required, whatever lies around the executable.
 */
import { getAsset, getAssetKeys, getRawAsset } from 'node:sea';
import { Script } from 'node:vm';

/** What a CommonJS file is given, and leaves behind. */
interface Loaded {
  exports: unknown;
}

/** The file that starts the program: `ENTRY_ASSET` of the build. */
const ENTRY = 'updater.cjs';
const assets = new Set(getAssetKeys());
const loaded = new Map<string, Loaded>();

function load(name: string): unknown {
  const known = loaded.get(name);
  if (known !== undefined) return known.exports;
  const module: Loaded = { exports: {} };
  loaded.set(name, module);
  const compiled = `${name}.compiled`;
  // V8 compiles the text itself where it does not take this, as after a flag was set.
  const script = new Script(getAsset(name, 'utf8'), {
    filename: name,
    ...(assets.has(compiled) ? { cachedData: new Uint8Array(getRawAsset(compiled)) } : {}),
  });
  const run = script.runInThisContext() as (...given: unknown[]) => void;
  run(module.exports, requireBuiltIn, module, process.execPath);
  return module.exports;
}

function requireBuiltIn(id: string): unknown {
  if (id.startsWith('./')) return load(id.slice('./'.length));
  const found: unknown = process.getBuiltinModule(id);
  if (found === undefined) throw new Error(`nothing of this name is built in: '${id}'`);
  return found;
}

load(ENTRY);
