/**
 * Loads a user's `*.config.ts`, wherever it lies: a folder that never saw
 * `npm install` can still import '@landfall/release' and '@landfall/mirrors'.
 * The file is the user's own program and runs with the user's rights.
 */
import { statSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describeSystemError, messageOf } from '@landfall/errors';
import { MirrorError } from './errors.ts';
import { OURS } from './ours.ts';

/**
 * Configurations that were asked for. They are modules whatever the package.json
 * beside them says; without being told, Node guesses and prints a warning.
 */
const typed = new Set<string>();

let registered = false;

/**
 * The default export of the module at `path` (relative to the working folder).
 * Unchecked: the caller's schema says what it must be. Throws `MirrorError`
 * CONFIG when the file is not there, does not run, or exports nothing.
 */
export async function loadConfigModule(path: string): Promise<unknown> {
  const file = resolve(path);
  try {
    statSync(file);
  } catch (error) {
    const system = describeSystemError(error);
    throw new MirrorError(
      'CONFIG',
      '',
      `cannot read the configuration '${file}': ${system?.what ?? messageOf(error)}`,
      { cause: error, hint: "'release init' makes one; --config FILE names another" },
    );
  }
  registerOurs();
  const module = await importConfig(file);
  if (module.default !== undefined) return module.default;
  throw new MirrorError('CONFIG', '', `'${file}': expected a default export, found none`, {
    hint: "write 'export default defineConfig({ … })'",
  });
}

async function importConfig(file: string): Promise<{ default?: unknown }> {
  const { href } = pathToFileURL(file);
  if (file.endsWith('.ts')) typed.add(href);
  try {
    return (await import(href)) as { default?: unknown };
  } catch (error) {
    throw new MirrorError('CONFIG', '', `'${file}' cannot be loaded: ${messageOf(error)}`, {
      cause: error,
      hint: 'mend the file; --debug shows where',
    });
  }
}

function registerOurs(): void {
  if (registered) return;
  registered = true;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const url = OURS[specifier];
      if (url !== undefined) return { url, shortCircuit: true };
      const resolved = nextResolve(specifier, context);
      return typed.has(resolved.url) ? { ...resolved, format: 'module-typescript' } : resolved;
    },
  });
}
