/** `release notes`, and what becomes of a changelog in the manifest. */
import { describe, expect, it } from 'vitest';
import { manifestOn } from '../harness/mirror-content.ts';
import { useProject } from '../harness/project.ts';

const CHANGELOG = '# Changelog\n\n## [1.0.0] - 2026-04-22\n\n- land\n\n## 0.9.0\n\n- sea\n';

describe('notes of a release', () => {
  it('are the section of CHANGELOG.md, printed and published', async () => {
    const site = await useProject();
    site.write('CHANGELOG.md', CHANGELOG);
    expect(await site.release(['notes'])).toMatchObject({ code: 0, stdout: '- land\n' });
    expect(await site.release(['notes', '0.9.0'])).toMatchObject({ code: 0, stdout: '- sea\n' });
    const json = await site.release(['notes', '--json']);
    expect(JSON.parse(json.stdout)).toEqual({ version: '1.0.0', notes: '- land' });
    expect(await site.release(['ship'])).toMatchObject({ code: 0 });
    expect(manifestOn(site.mirror('oslo'))?.notes).toBe('- land');
  });

  it('that nobody asked for may be missing', async () => {
    const site = await useProject();
    site.write('CHANGELOG.md', '# Changelog\n\n## 0.9.0\n\n- sea\n');
    const missing = await site.release(['notes']);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain("'CHANGELOG.md': expected a section for 1.0.0, found 0.9.0");
    expect(await site.release(['ship'])).toMatchObject({ code: 0 });
    expect(manifestOn(site.mirror('oslo'))?.notes).toBe('');
  });

  it('that the configuration asks for must be there, before anything is built', async () => {
    const site = await useProject({
      configure: (config) => (config.notes = { changelog: 'docs/CHANGES.md' }),
    });
    const refused = await site.release(['ship']);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("no changelog: expected 'docs/CHANGES.md', found nothing");
    expect(manifestOn(site.mirror('oslo'))).toBeUndefined();
    site.write('docs/CHANGES.md', CHANGELOG);
    expect(await site.release(['ship'])).toMatchObject({ code: 0 });
    expect(manifestOn(site.mirror('oslo'))?.notes).toBe('- land');
  });
});
