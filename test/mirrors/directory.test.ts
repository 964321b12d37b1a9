import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MARKER_FILE } from '../../mirrors/layout.ts';
import { downloadArtifact, openMirrors, openWritableMirrors } from '@landfall/mirrors';
import { expect, it } from 'vitest';
import { errorOf } from '../harness/errors.ts';
import { temporaryFolder } from '../harness/temporary.ts';

it('stores and serves an artifact', async () => {
  const dir = temporaryFolder();
  writeFileSync(join(dir, MARKER_FILE), '{}');
  const [mirror] = openWritableMirrors([{ type: 'directory', path: dir }]);
  if (!mirror) throw new Error();
  const bytes = Buffer.alloc(300_000, 7);
  const source = temporaryFolder();
  writeFileSync(join(source, 'a-1.0.0.tar.zst'), bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  await mirror.ensureRelease({ version: '1.0.0', notes: '', prerelease: false, files: [] }, {});
  await mirror.uploadArtifact('1.0.0', join(source, 'a-1.0.0.tar.zst'), {
    size: bytes.length,
    sha256,
  });
  const got = await downloadArtifact(openMirrors([{ type: 'directory', path: dir }]), {
    version: '1.0.0',
    file: 'a-1.0.0.tar.zst',
    size: bytes.length,
    sha256,
    to: join(source, 'x.unverified'),
  });
  closeSync(got.fd);
  expect(readFileSync(join(source, 'x.unverified')).equals(bytes)).toBe(true);
});
