/** What goes into a single executable: scripts that load little, and what V8 makes of them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileFunction } from 'node:vm';
import { expect, it } from 'vitest';
import { bundle, writeBundle } from '../../scripts/build/bundle.ts';
import { compileScripts, writeScripts } from '../../scripts/build/compiled.ts';
import { requireLater } from '../../scripts/build/lazy.ts';
import { temporaryFolder } from '../harness/temporary.ts';

it('compiles every script, always to the same bytes, which a plain start takes', async () => {
  const folders = [temporaryFolder(), temporaryFolder()];
  const files = await bundle({ updater: 'updater/main.ts' });
  const read = folders.map((folder) => {
    writeScripts(folder, files);
    compileScripts(process.execPath, folder);
    const names = readdirSync(folder).filter((name) => name.endsWith('.compiled'));
    return names.map((name) => readFileSync(join(folder, name)).toString('base64'));
  });
  expect(read[0]).toHaveLength(files.length);
  expect(read[1]).toEqual(read[0]);
  const taken = `
    const { readFileSync } = require('node:fs');
    for (const name of ${JSON.stringify(files.map(({ name }) => name))}) {
      const cachedData = readFileSync(name + '.compiled');
      const script = new (require('node:vm').Script)(readFileSync(name, 'utf8'), { cachedData });
      console.log(script.cachedDataRejected);
    }`;
  const told = execFileSync(process.execPath, ['-e', taken], { cwd: folders[0] }).toString();
  expect(new Set(told.trimEnd().split('\n'))).toEqual(new Set(['false']));
});

it('brings the small edition of zod alone, which tells in words what does not fit', async () => {
  const files = await bundle({ updater: 'updater/main.ts' });
  const editions = files.flatMap(({ code }) => code.match(/\/zod\/v4\/(?:classic|mini)\//g) ?? []);
  expect(new Set(editions)).toEqual(new Set(['/zod/v4/mini/']));
  const folder = temporaryFolder();
  writeBundle(folder, files);
  const config = join(folder, 'updater.toml');
  writeFileSync(config, 'app = 1\n');
  const args = [join(folder, 'updater.cjs'), 'status', '--config', config];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(status).toBe(2);
  expect(stderr).toContain("'app': Invalid input: expected string, received number");
});

it('loads modules of Node when something of them is used', () => {
  const text = `let node_os = require("node:os");
let node_fs = require("node:fs");
let node_net = require("node:net");
const names = (0, node_os.networkInterfaces)();
module.exports = { read: () => [...node_fs.readdirSync("."), node_fs.constants.F_OK], whole: node_net };
`;
  const required: string[] = [];
  const module = { exports: {} as { read: () => unknown[]; whole: unknown } };
  const require = (id: string): unknown => {
    required.push(id);
    return process.getBuiltinModule(id);
  };
  compileFunction(requireLater(text), ['require', 'module'])(require, module);
  expect(required).toEqual(['node:net', 'node:os']);
  expect(module.exports.whole).toBe(process.getBuiltinModule('node:net'));
  expect(module.exports.read()).toEqual([...readdirSync('.'), 0]);
  expect(module.exports.read()).toEqual([...readdirSync('.'), 0]);
  expect(required).toEqual(['node:net', 'node:os', 'node:fs']);
});
