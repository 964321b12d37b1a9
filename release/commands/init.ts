/** `release init`: writes a configuration to start from. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import type { Command } from '@landfall/cli';
import { writeFileDurably } from '@landfall/durable';
import { parsePublicKey, publicKeyBase64 } from '@landfall/minisign';
import { CONFIG_FILE } from '../config-file.ts';
import { exists, writeNewFile } from '../new-file.ts';
import { configTemplate, DEFAULT_KEY, IGNORED } from '../template.ts';
import { DRY_RUN } from './common.ts';

/** `release init`: writes a configuration to start from, never over one, and into `.gitignore`. */
export const initCommand: Command = {
  name: 'init',
  summary: `write a commented ${CONFIG_FILE} to start from`,
  options: { 'dry-run': DRY_RUN },
  run(context) {
    const path = resolve(context.text('config') ?? CONFIG_FILE);
    // Its paths start from the folder that it is in, and so do the commands that come next.
    const directory = dirname(path);
    const text = configTemplate(appName(directory), publicKeyBeside(directory));
    if (context.flag('dry-run'))
      return context.result({ path, text, dryRun: true }, text.trimEnd());
    if (existsSync(path)) throw exists(path, 'edit it, or remove it first');
    writeNewFile(path, text, 0o644, 'edit it, or remove it first');
    const added = ignore(join(directory, '.gitignore'));
    context.result({ path, ignored: added }, [
      `wrote ${path}${added.length === 0 ? '' : `, and ${added.join(', ')} into .gitignore`}`,
      'next:',
      ...nextSteps(path),
    ]);
  },
};

function nextSteps(path: string): string[] {
  const [directory, file] = [dirname(path), basename(path)];
  const away = relative('.', directory);
  const config = file === CONFIG_FILE ? '' : ` --config ${file}`;
  const steps = [
    ...(away === '' ? [] : [[`cd ${away}`, 'all paths in the configuration start there']]),
    ...(existsSync(join(directory, DEFAULT_KEY))
      ? []
      : [['release keygen', "a key; put the line it prints into 'keys.public'"]]),
    ['mirrors init mirror', 'makes the folder of the first mirror'],
    [`release build${config}`, 'packs, and checks what it packed'],
    [`release ship${config}`, 'publishes'],
  ];
  const width = Math.max(...steps.map(([command = '']) => command.length));
  return steps.map(([command = '', what]) => `  ${command.padEnd(width)}   ${what}`);
}

/** The project's name, made fit for a file name and an address. */
function appName(directory: string): string {
  let name = basename(directory);
  try {
    const parsed: unknown = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
    if (typeof parsed === 'object' && parsed !== null && 'name' in parsed)
      name = String(parsed.name);
  } catch {
    // Without a readable package.json the folder's name serves as well.
  }
  const slug = name
    .toLowerCase()
    .replace(/^@[^/]*\//, '')
    .replaceAll(/[^a-z0-9.-]+/g, '-')
    .replaceAll(/\.+/g, '.')
    .replace(/^[.-]+/, '')
    .slice(0, 64);
  return slug === '' ? 'app' : slug;
}

/** The public key that `release keygen` left beside the secret one. */
function publicKeyBeside(directory: string): string | undefined {
  try {
    const bytes = readFileSync(join(directory, DEFAULT_KEY.replace(/\.key$/, '.pub')));
    return publicKeyBase64(parsePublicKey(bytes));
  } catch {
    return undefined;
  }
}

/** Adds what is missing to .gitignore; the lines added. */
function ignore(path: string): string[] {
  // Kept byte by byte: names in it need not be UTF-8.
  const before = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
  const text = before.toString('latin1');
  const lines = new Set(text.split('\n').map((line) => line.trim()));
  const missing = IGNORED.filter((line) => !lines.has(line));
  if (missing.length === 0) return [];
  const gap = text === '' || text.endsWith('\n') ? '' : '\n';
  const added = Buffer.from(`${gap}${missing.join('\n')}\n`);
  writeFileDurably(path, Buffer.concat([before, added]), { mode: 0o644 });
  return missing;
}
