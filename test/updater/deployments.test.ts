/** What counts as a deployment, among all that may stand in its place. */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { listDeployments, readCurrent } from '../../updater/deployments.ts';
import { makeHost } from '../harness/host.ts';

it.each([
  ['1.7.41-alpha-3f9c2a71b0de', 'deployment'],
  ['foo-3f9c2a71b0de', 'foreign'],
  ['v1.0.0-3f9c2a71b0de', 'foreign'],
  ['1.0.0-3f9c2a71b0d', 'foreign'],
])('a folder called %s is %s', (name, kind) => {
  const { paths } = makeHost();
  mkdirSync(join(paths.deployments, name), { recursive: true });
  symlinkSync(`deployments/${name}`, paths.current);
  expect(readCurrent(paths)).toMatchObject({ kind });
  expect(listDeployments(paths)).toHaveLength(kind === 'deployment' ? 1 : 0);
});
