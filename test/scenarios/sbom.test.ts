/** What comes with the single executable: what is in it, and under which licences. */
import { expect, it } from 'vitest';
import { bundle } from '../../scripts/build/bundle.ts';
import { collectLicences } from '../../scripts/build/licences.ts';
import { makeSbom } from '../../scripts/build/sbom.ts';

/** Packages of others whose code the updater runs. A new one is a decision: name it here. */
const FOREIGN = ['semver', 'smol-toml', 'undici', 'zod'];
const RUNTIME = `node@${process.versions.node}`;

it('names exactly what is bundled, with the digests of the lock file, and what the runtime is made of', async () => {
  const [file] = await bundle({ updater: 'updater/main.ts' }, { whole: true });
  const packages = file?.packages ?? [];
  const foreign = packages.filter((folder) => folder.startsWith('node_modules/'));
  expect(foreign).toEqual(FOREIGN.map((name) => `node_modules/${name}`));
  for (const ours of ['updater', 'mirrors', 'packages/archive', 'packages/trust']) {
    expect(packages).toContain(ours);
  }
  expect(packages.some((folder) => folder.startsWith('release'))).toBe(false);

  const options = { packages, workspace: 'updater', platform: 'linux-x64', sha256: 'ab' } as const;
  const sbom = makeSbom(options);
  expect(sbom).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.5' });
  expect(sbom.metadata.component.hashes).toEqual([{ alg: 'SHA-256', content: 'ab' }]);
  expect(sbom.components).toHaveLength(packages.length + 1);
  for (const { name, hashes, licenses, purl } of sbom.components) {
    const digest = name.startsWith('@landfall/') ? /^$/ : /^[0-9a-f]{128}$/;
    expect(hashes?.[0]?.content ?? '', name).toMatch(digest);
    expect(licenses, name).not.toEqual([]);
    expect(purl, name).toMatch(/^pkg:npm\//);
  }
  const runtime = sbom.components.find((each) => each['bom-ref'] === RUNTIME);
  expect(runtime?.components?.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['openssl', 'v8', 'zlib', 'zstd']),
  );
  const refs = sbom.components.map((each) => each['bom-ref']);
  expect(new Set(refs).size).toBe(refs.length);
  const [top] = sbom.dependencies.filter(({ ref }) => ref === 'updater-linux-x64');
  expect(top?.dependsOn).toEqual(['@landfall/updater@0.1.0', RUNTIME]);
  for (const { dependsOn } of sbom.dependencies) {
    for (const each of dependsOn) expect(refs).toContain(each);
  }
  expect(JSON.stringify(makeSbom(options))).toBe(JSON.stringify(sbom));
  expect(() => makeSbom({ ...options, packages: [...packages, 'node_modules/tar'] })).toThrow(
    "expected 'tar@",
  );

  const licences = collectLicences(packages);
  for (const name of [...FOREIGN, 'Landfall', 'Node.js']) expect(licences).toContain(`\n${name} `);
  expect(licences).toContain('Copyright Node.js contributors');
  expect(licences).toContain('OpenSSL');
  expect(() => collectLicences([...packages, 'node_modules/.bin'])).toThrow('package.json');
});
