/**
 * The configuration that `updater init` writes, held against the schema: what is a comment in it is
 * TOML, names every key, and tells the default of each that has one.
 */
import type { z } from '@landfall/manifest';
import { parse as parseToml } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../../updater/config.ts';
import { configText, EXAMPLE } from '../../updater/init/template.ts';

/** Of `[[mirrors]]`, for who publishes; a node has no use for them. */
const FOR_PUBLISHERS = ['mirrors.token', 'mirrors.upload', 'mirrors.git'];

type Found = Map<string, unknown>;

/** Every key below `schema` → its default as it is written; undefined where it has none, or is a table. */
function keysOf(schema: z.core.$ZodType, at = '', found: Found = new Map()): Found {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'object':
      for (const [key, value] of Object.entries(def.shape)) {
        const path = at === '' ? key : `${at}.${key}`;
        if (FOR_PUBLISHERS.includes(path)) continue;
        found.set(path, found.get(path));
        keysOf(value, path, found);
      }
      return found;
    case 'default':
    case 'prefault':
      if (typeof def.defaultValue !== 'object') found.set(at, def.defaultValue);
      return keysOf(def.innerType, at, found);
    case 'optional':
      return keysOf(def.innerType, at, found);
    case 'array':
      return keysOf(def.element, at, found);
    case 'union':
      for (const option of def.options) keysOf(option, at, found);
      return found;
    case 'lazy':
      return keysOf(def.getter(), at, found);
    default:
      return found;
  }
}

/** The value at `path`; of a list of tables, that of the first table that has one. */
function valueAt(value: unknown, path: readonly string[]): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const tables: unknown[] = Array.isArray(value) ? value : [value];
  const inside = tables.map((table) => (Object(table) as Record<string, unknown>)[key]);
  return valueAt(
    inside.find((each) => each !== undefined),
    rest,
  );
}

/** With every setting that is a comment taken as one. */
const uncommented = (text: string): string => text.replaceAll(/^# (?=\[|\w+ = )/gm, '');

describe('the configuration that init writes', () => {
  const keys = keysOf(configSchema);
  // The mirror that is a comment stands before the one that was named, and has every key.
  const written = parseToml(uncommented(configText(EXAMPLE)));

  it('is held against a schema that was walked to its leaves', () => {
    expect(keys.size).toBeGreaterThan(80);
    expect([...keys.keys()]).toContain('snapshot.dataset');
    expect([...keys.keys()]).toContain('mirrors.auth.password.file');
    expect(keys.get('probe.window')).toBe('90s');
  });

  it.each([...keys])('names %s, with its default', (key, byDefault) => {
    const path = key.split('.');
    // A secret is read from either.
    if (path.at(-1) === 'env' || path.at(-1) === 'file') path.pop();
    const value = valueAt(written, path);
    expect(value, `${key} stands nowhere`).toBeDefined();
    expect(value).toBe(byDefault ?? value);
  });
});
