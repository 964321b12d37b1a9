/**
 * What is inside a single executable, as a CycloneDX document: the packages
 * whose code was bundled, as `npm sbom` describes them (versions, digests and
 * licences of package-lock.json), and the runtime with the libraries it was
 * built from. What npm would list and the bundle does not hold is left out; what
 * the bundle holds and npm does not list ends the build.
 *
 * The same sources and the same npm give the same bytes: neither the time nor a
 * random number of npm's is kept, nor the name of the folder.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HOUSE } from './bundle.ts';
import { lockedRuntime, type Platform } from './runtime.ts';

interface Hash {
  alg: string;
  content: string;
}

interface Component {
  'bom-ref': string;
  type: string;
  name: string;
  version: string;
  purl?: string;
  cpe?: string;
  hashes?: Hash[];
  licenses?: unknown[];
  properties?: { name: string; value: string }[];
  components?: Component[];
}

interface Dependency {
  ref: string;
  dependsOn: string[];
}

/** As much of CycloneDX 1.5 as is read and written here. */
export interface Sbom {
  $schema: string;
  bomFormat: string;
  specVersion: string;
  version: number;
  metadata: { lifecycles: unknown[]; tools: unknown[]; component: Component };
  components: Component[];
  dependencies: Dependency[];
}

interface Package {
  name: string;
  version: string;
}

export interface SbomOptions {
  /** Folders of the bundled packages, relative to the checkout (`BundleFile.packages`). */
  packages: readonly string[];
  /** The workspace that the executable is made of. */
  workspace: string;
  platform: Platform;
  /** SHA-256 of the executable, in hex. */
  sha256: string;
}

/** The document. Throws when npm is too old, or describes less than is bundled. */
export function makeSbom(options: SbomOptions): Sbom {
  const known = npmSbom(options.workspace);
  const own = readPackage(options.workspace);
  const runtime = runtimeComponent(options.platform);
  const bundled = options.packages.map((folder) => describe(readPackage(folder), known));
  const refs = new Set(bundled.map((each) => each['bom-ref']));
  const root = `${own.name}@${own.version}`;
  const dependencies = known.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn }) => ({
      ref,
      dependsOn: dependsOn.filter((each) => refs.has(each)).toSorted(),
    }));
  const program = `updater-${options.platform}`;
  return {
    $schema: known.$schema,
    bomFormat: known.bomFormat,
    specVersion: known.specVersion,
    version: 1,
    metadata: {
      lifecycles: [{ phase: 'build' }],
      tools: known.metadata.tools,
      component: {
        'bom-ref': program,
        type: 'application',
        name: program,
        version: own.version,
        hashes: [{ alg: 'SHA-256', content: options.sha256 }],
        licenses: [{ license: { id: 'MIT' } }],
      },
    },
    components: [...bundled, runtime].toSorted(byRef),
    dependencies: [
      { ref: program, dependsOn: [root, runtime['bom-ref']] },
      ...dependencies,
      { ref: runtime['bom-ref'], dependsOn: [] },
    ].toSorted((a, b) => (a.ref < b.ref ? -1 : 1)),
  };
}

/** What `npm sbom` says of a workspace and all it depends on, from package-lock.json. */
function npmSbom(workspace: string): Sbom {
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'];
  try {
    const text = execFileSync('npm', [...args, '--workspace', workspace], {
      cwd: HOUSE,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return JSON.parse(text) as Sbom;
  } catch (error) {
    const version = execFileSync('npm', ['--version'], { cwd: HOUSE, encoding: 'utf8' }).trim();
    throw new Error(
      `npm sbom failed: expected npm 10.2 or later, found ${version}; 'npm install --global npm@10' brings it`,
      { cause: error },
    );
  }
}

function readPackage(folder: string): Package {
  return JSON.parse(readFileSync(join(HOUSE, folder, 'package.json'), 'utf8')) as Package;
}

/** What npm knows of a package. It names workspaces after their folders, which says nothing elsewhere. */
function describe({ name, version }: Package, { components }: Sbom): Component {
  const ref = `${name}@${version}`;
  const found = components.find((each) => each['bom-ref'] === ref);
  if (found === undefined) throw new Error(`npm sbom: expected '${ref}', which is bundled`);
  const { type, purl, hashes, licenses } = found;
  return {
    'bom-ref': ref,
    type,
    name,
    version,
    ...(purl === undefined ? {} : { purl }),
    ...(hashes === undefined ? {} : { hashes }),
    ...(licenses === undefined ? {} : { licenses }),
  };
}

/** Versions in `process.versions` that are of interfaces, not of something built in. */
const INTERFACES = new Set(['node', 'modules', 'napi']);

/** The runtime: the one that builds is of the same version, so it knows what is in it. */
function runtimeComponent(platform: Platform): Component {
  const { name, version, sha512 } = lockedRuntime(platform);
  const inside = Object.entries(process.versions).flatMap(([library, found]): Component[] =>
    found === undefined || found === '' || INTERFACES.has(library)
      ? []
      : [
          {
            'bom-ref': `node@${version}/${library}`,
            type: 'library',
            name: library,
            version: found,
          },
        ],
  );
  return {
    'bom-ref': `node@${version}`,
    type: 'platform',
    name: 'node',
    version,
    purl: `pkg:npm/${name}@${version}`,
    cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`,
    hashes: [{ alg: 'SHA-512', content: sha512 }],
    licenses: [
      { license: { name: "Node.js's, and those of what is built in; 'updater licences'" } },
    ],
    properties: [{ name: 'landfall:changed', value: 'symbols and debug information removed' }],
    components: inside.toSorted(byRef),
  };
}

function byRef(a: Component, b: Component): number {
  return a['bom-ref'] < b['bom-ref'] ? -1 : 1;
}
