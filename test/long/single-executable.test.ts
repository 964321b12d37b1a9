/** The updater as one file: what `npm run build:updater` makes, really run. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, readlinkSync, symlinkSync } from 'node:fs';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HOUSE } from '../../scripts/build/bundle.ts';
import { findRuntime, PLATFORMS } from '../../scripts/build/runtime.ts';
import { hashFile } from '../../updater/deployments.ts';
import { runCommand } from '../harness/command.ts';
import { exampleWebUi } from '../harness/release-factory.ts';
import { temporaryFolder } from '../harness/temporary.ts';
import { makeWorld } from '../harness/world.ts';

const BUILD = fileURLToPath(new URL('../../scripts/build/updater.ts', import.meta.url));
const BUILT_MS = 300_000;

/** Builds in `folder` with that umask, with nothing of the user's environment but where programs are. */
function build(folder: string, umask: string, platform: string): string {
  const out = join(folder, 'dist');
  const command = `umask ${umask}; exec "$0" "$@" --out '${out}' --platform ${platform}`;
  execFileSync('sh', ['-c', command, process.execPath, BUILD], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
    timeout: BUILT_MS,
  });
  return join(out, `updater-${platform}`);
}

describe('the single executable', () => {
  let own: string;
  let built: string;
  beforeAll(() => {
    // With all of the environment: what npm needs to get through to its registry may be in it.
    for (const platform of PLATFORMS) findRuntime(platform);
    own = mkdtempSync(join(tmpdir(), 'landfall-single-'));
    built = build(own, '022', 'linux-x64');
  }, BUILT_MS);
  afterAll(() => rmSync(own, { recursive: true, force: true }));

  it('has the same bytes from any folder, under any umask, and everybody may run it', () => {
    const again = build(temporaryFolder(), '077', 'linux-x64');
    expect(hashFile(again)).toBe(hashFile(built));
    expect(statSync(again).mode & 0o7777).toBe(0o755);
    expect(readFileSync(built).includes(HOUSE)).toBe(false);
    const [sbom, other] = [`${built}.cdx.json`, `${again}.cdx.json`].map((file) =>
      readFileSync(file, 'utf8'),
    );
    expect(other).toBe(sbom);
    expect(sbom).toContain(hashFile(built));
  });

  it('brings the licences of all that is in it', async () => {
    const shown = await runCommand('updater', ['licences'], { launcher: built });
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    for (const text of ['undici 8', 'Copyright Node.js contributors', 'OpenSSL', 'zstd']) {
      expect(shown.stdout).toContain(text);
    }
  });

  it('is made for the other machine too', () => {
    const head = readFileSync(build(temporaryFolder(), '022', 'linux-arm64')).subarray(0, 20);
    expect(head.readUInt32BE(0)).toBe(0x7f454c46);
    expect(head.readUInt16LE(18)).toBe(0xb7);
    expect(readFileSync(built).readUInt16LE(18)).toBe(0x3e);
  });

  it('installs a release, with nothing of ours beside it', async () => {
    const launcher = join(temporaryFolder(), 'updater');
    copyFileSync(built, launcher);
    const { ship, node } = await makeWorld();
    await ship('1.0.0');
    const taken = await node.updater(['apply'], { launcher, cwd: '/' });
    expect(taken.code, taken.stderr).toBe(0);
    expect(node.page()).toContain('1.0.0');
    expect((await node.updater(['status'], { launcher })).stdout).toContain('1.0.0');
  });

  it('hands over to another edition of itself', async () => {
    const { ship, node } = await makeWorld({
      top: ['probation = "0s"'],
      tables: ['[updater]', 'component = "updater"'],
    });
    const launcher = join(node.root, 'updater');
    symlinkSync(built, launcher);
    const edition = join(temporaryFolder(), 'updater');
    copyFileSync(built, edition);
    appendFileSync(edition, 'another edition');
    await ship('1.0.0', { webUi: exampleWebUi('1.0.0'), files: { updater: edition } });
    const taken = await node.updater(['apply'], { launcher, timeoutMs: 300_000 });
    expect(taken.stderr).toContain('the updater of 1.0.0 takes over');
    expect(readlinkSync(launcher)).toBe(`deployments/${node.current()}/updater`);
    expect(readlinkSync(`${launcher}.previous`)).toBe(built);
    expect((await node.updater(['verify'], { launcher })).code).toBe(0);
    expect(() => readlinkSync(`${launcher}.previous`)).toThrow('ENOENT');
  });

  it('runs nothing that lies beside it or that the environment names', async () => {
    const folder = temporaryFolder();
    const launcher = join(folder, 'updater');
    copyFileSync(built, launcher);
    const trap = `require('node:fs').writeFileSync(${JSON.stringify(join(folder, 'trapped'))}, '')`;
    writeFileSync(join(folder, 'trap.cjs'), trap);
    writeFileSync(join(folder, 'main.ts'), trap);
    writeFileSync(join(folder, 'updater.cjs'), trap);
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    for (const name of ['undici', 'zod', '@landfall/cli']) {
      mkdirSync(join(folder, 'node_modules', name), { recursive: true });
      writeFileSync(join(folder, 'node_modules', name, 'index.js'), trap);
    }
    const env = {
      NODE_OPTIONS: `--require ${join(folder, 'trap.cjs')}`,
      NODE_PATH: join(folder, 'node_modules'),
      NODE_COMPILE_CACHE: join(folder, 'compiled'),
    };
    const shown = await runCommand('updater', ['--version'], { launcher, cwd: folder, env });
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    expect(() => statSync(join(folder, 'trapped'))).toThrow('ENOENT');
    const odd = await runCommand('updater', ['--require', './trap.cjs'], { launcher, cwd: folder });
    expect(odd.code).toBe(2);
    expect(() => statSync(join(folder, 'trapped'))).toThrow('ENOENT');
  });
});
