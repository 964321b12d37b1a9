/**
 * What a release says about itself: the version's section of a changelog
 * (headings as in https://keepachangelog.com: `## [1.2.0] - 2026-04-22`), or
 * the text of the configuration. Changes nothing.
 */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { describeSystemError, messageOf, systemCode } from '@landfall/errors';
import { isVersion } from '@landfall/manifest';
import type { Settings } from './config.ts';
import { ReleaseError } from './errors.ts';

const DEFAULT_CHANGELOG = 'CHANGELOG.md';
const MAX_CHANGELOG_BYTES = 8 * 1024 * 1024;
/** What the manifest takes, in characters. */
const MAX_NOTES = 65_536;

/**
 * The notes that a release of `version` gets. Without any configured, a section
 * of CHANGELOG.md where there is one, else none. Throws `ReleaseError` NOTES_MISSING
 * when a changelog is configured and tells nothing of the version.
 */
export function notesOf(settings: Settings, version: string): string {
  if (typeof settings.notes === 'string') return settings.notes;
  if (settings.notes !== undefined) return readNotes(settings, version);
  const text = readChangelog(resolve(settings.directory, DEFAULT_CHANGELOG));
  return text === undefined ? '' : fitting(sectionOf(text, version) ?? '', DEFAULT_CHANGELOG);
}

/** The changelog's section for `version`. Throws `ReleaseError` NOTES_MISSING. */
export function readNotes(settings: Settings, version: string): string {
  const file = typeof settings.notes === 'object' ? settings.notes.changelog : DEFAULT_CHANGELOG;
  const text = readChangelog(resolve(settings.directory, file));
  if (text === undefined) {
    throw new ReleaseError('NOTES_MISSING', `no changelog: expected '${file}', found nothing`, {
      hint: "write one, or name another file: notes: { changelog: 'docs/CHANGES.md' }",
    });
  }
  const section = sectionOf(text, version);
  if (section !== undefined) return fitting(section, file);
  const known = versionsIn(text).slice(0, 5);
  throw new ReleaseError(
    'NOTES_MISSING',
    `'${file}': expected a section for ${version}, found ${known.length === 0 ? 'none with a version' : known.join(', ')}`,
    { hint: `add a heading '## [${version}]' and what changed below it` },
  );
}

/**
 * The text below the heading of `version`, up to the next heading of that level
 * or above, without blank lines around it. Undefined when there is no such heading.
 */
export function sectionOf(changelog: string, version: string): string | undefined {
  const found: string[] = [];
  let level = 0;
  let isCode = false;
  for (const line of changelog.split(/\r?\n/)) {
    if (/^\s{0,3}(```|~~~)/.test(line)) isCode = !isCode;
    const heading = isCode ? undefined : headingOf(line);
    if (level > 0 && heading !== undefined && heading.level <= level) break;
    if (level > 0) found.push(line);
    else if (heading?.version === version) level = heading.level;
  }
  return level === 0 ? undefined : found.join('\n').trim();
}

function versionsIn(changelog: string): string[] {
  return changelog.split(/\r?\n/).flatMap((line) => headingOf(line)?.version ?? []);
}

/** A heading's level, and the version it begins with: `## [1.2.0] - 2026-04-22`, `## v1.2.0 (today)`. */
function headingOf(line: string): { level: number; version: string | undefined } | undefined {
  const match = /^(#{1,6})\s+(.*)$/.exec(line);
  if (match?.[1] === undefined) return undefined;
  const first = /^\[?v?([0-9][^\s\])(:,]*)/i.exec(match[2] ?? '')?.[1];
  return {
    level: match[1].length,
    version: first !== undefined && isVersion(first) ? first : undefined,
  };
}

function fitting(notes: string, file: string): string {
  if (notes.length <= MAX_NOTES) return notes;
  throw new ReleaseError(
    'NOTES_MISSING',
    `'${file}': the section is too long: expected at most ${MAX_NOTES} characters, found ${notes.length}`,
    { hint: 'shorten it, and link to the rest' },
  );
}

function readChangelog(path: string): string | undefined {
  try {
    const { size } = statSync(path);
    if (size > MAX_CHANGELOG_BYTES) {
      throw new Error(`expected at most ${MAX_CHANGELOG_BYTES} bytes, found ${size}`);
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    const system = describeSystemError(error);
    throw new ReleaseError(
      'NOTES_MISSING',
      `cannot read '${path}': ${system?.what ?? messageOf(error)}`,
      { cause: error, ...(system === undefined ? {} : { hint: system.hint }) },
    );
  }
}
