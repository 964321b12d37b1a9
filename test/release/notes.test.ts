/** Which part of a changelog is a version's: headings as people write them. */
import { describe, expect, it } from 'vitest';
import { sectionOf } from '../../release/notes.ts';

const CHANGELOG = `# Changelog

All notable changes.

## [Unreleased]

- not yet

## [1.2.0] - 2026-04-22

### Added

- islands

\`\`\`sh
## 1.1.0 is not a heading here
\`\`\`

### Fixed

- tides

## v1.1.0 (2026-03-01)

- harbours

## 1.1.0-rc.1
## [1.0.0]: the first

- land

[1.2.0]: https://example.org/compare
`;

describe('the section of a version', () => {
  it('is all below its heading, smaller headings and code included', () => {
    const section = sectionOf(CHANGELOG, '1.2.0') ?? '';
    expect(section.startsWith('### Added')).toBe(true);
    expect(section).toContain('## 1.1.0 is not a heading here');
    expect(section.endsWith('- tides')).toBe(true);
  });

  it.each([
    ['1.1.0', '- harbours'],
    ['1.1.0-rc.1', ''],
    ['1.0.0', '- land\n\n[1.2.0]: https://example.org/compare'],
  ])('of %s is found however its heading is written', (version, section) => {
    expect(sectionOf(CHANGELOG, version)).toBe(section);
    expect(sectionOf(CHANGELOG.replaceAll('\n', '\r\n'), version)).toBe(section);
  });

  it.each(['2.0.0', '1.2', '1.1', 'Unreleased', '0.0'])('of %s is none', (version) => {
    expect(sectionOf(CHANGELOG, version)).toBeUndefined();
  });
});
