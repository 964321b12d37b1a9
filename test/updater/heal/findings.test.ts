/** The full reading of a deployment, in portions: whatever order its components stand in. */
import { hash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Expected, type Look, lookAt } from '../../../updater/heal/findings.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

/** In the order of a manifest, which is not that of names. */
const PATHS = ['web-ui/a', 'web-ui/b', 'web-ui/c', 'archipelago'];

function deployment(): { folder: string; entries: Expected[] } {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'web-ui'));
  const entries = PATHS.map((path): Expected => {
    const content = path.padEnd(600, '.');
    writeFileSync(join(folder, path), content, { mode: 0o644 });
    return {
      path,
      type: 'file',
      mode: 0o644,
      size: content.length,
      sha256: hash('sha256', content),
    };
  });
  return {
    folder,
    entries: [{ path: 'web-ui', type: 'directory', mode: 0o755, size: 0, sha256: '' }, ...entries],
  };
}

describe('a full reading', () => {
  it('in portions reads every file once, and finds what rotted in the last', () => {
    const { folder, entries } = deployment();
    writeFileSync(join(folder, 'archipelago'), 'rotten'.padEnd(600, '.'));
    const looks: Look[] = [];
    for (let from: string | undefined = ''; from !== undefined; from = looks.at(-1)?.stoppedAt) {
      const options = {
        checkedMs: undefined,
        suspects: new Set<string>(),
        fullFrom: from,
        budget: 1000,
      };
      looks.push(lookAt(folder, entries, options));
      if (looks.length > PATHS.length) break;
    }
    expect(looks.map(({ read, stoppedAt }) => [read, stoppedAt])).toStrictEqual([
      [2, 'web-ui/b'],
      [2, 'archipelago'],
      [0, undefined],
    ]);
    expect(looks.flatMap(({ findings }) => findings)).toMatchObject([
      { path: 'archipelago', kind: 'content' },
    ]);
  });

  it('begins anew where it stopped at what is not of this release', () => {
    const { folder, entries } = deployment();
    const options = {
      checkedMs: undefined,
      suspects: new Set<string>(),
      fullFrom: 'gone',
      budget: 1e6,
    };
    expect(lookAt(folder, entries, options)).toMatchObject({ read: 4, findings: [] });
  });
});
