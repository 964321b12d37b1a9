/**
 * What a look at the mirrors that finds nothing new loads of the bundle that
 * goes into the single executable, and of Node: no more than it needs.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bundle, writeBundle } from '../../scripts/build/bundle.ts';
import { temporaryFolder } from '../harness/temporary.ts';
import { makeWorld } from '../harness/world.ts';

/** Told at the end of a process: Node's modules, and the files of the bundle. */
const TRACE = `process.on('exit', () => {
  const own = Object.keys(require.cache);
  const ofNode = process.moduleLoadList.filter((each) => each.startsWith('NativeModule '));
  require('node:fs').writeFileSync(process.env.TRACE_TO, JSON.stringify({ own, ofNode }));
});`;

it('neither unpacks nor starts anything, and loads nothing for that', async () => {
  const { ship, node } = await makeWorld();
  await ship('1.0.0');
  expect((await node.updater(['apply'])).code).toBe(0);
  const folder = temporaryFolder();
  writeBundle(folder, await bundle({ updater: 'updater/main.ts' }));
  const launcher = join(folder, 'updater');
  writeFileSync(launcher, `#!${process.execPath}\nrequire('./updater.cjs');\n`, { mode: 0o755 });
  const [trace, told] = [join(folder, 'trace.cjs'), join(folder, 'told.json')];
  writeFileSync(trace, TRACE);
  const env = { NODE_OPTIONS: `--require ${trace}`, TRACE_TO: told };
  const checked = await node.updater(['check'], { launcher, env });
  expect(checked).toMatchObject({ code: 0, stdout: '1.0.0 runs already\n' });
  const { own, ofNode } = JSON.parse(readFileSync(told, 'utf8')) as Record<string, string[]>;
  expect(ofNode).toContain('NativeModule crypto');
  for (const name of [
    'zlib',
    'child_process',
    'http',
    'http2',
    'tls',
    'worker_threads',
    'assert',
  ]) {
    expect(ofNode).not.toContain(`NativeModule ${name}`);
  }
  const text = (own ?? []).map((file) => readFileSync(file, 'utf8')).join('\n');
  expect(text).toContain('// updater/mirrors.ts\n');
  const others = [
    'updater/settle',
    'updater/effects/stage',
    'updater/heal/heal',
    'updater/self/rehearsal',
    'packages/archive/tar-reader',
    'packages/delta/apply',
    'mirrors/download',
    'mirrors/gitea-writer',
    'node_modules/undici/lib/dispatcher/proxy-agent',
  ];
  for (const source of others) expect(text).not.toMatch(new RegExp(`// ${source}\\.[tj]s\\n`));
});
