/**
 * A small project to release, in a folder of its own: a built web UI, a
 * configuration, a key pair and directory mirrors. Everything is real and is
 * removed by `remove()`; `useProject` sees to that.
 *
 *     <root>/project/   release.config.ts, package.json, keys/, dist/, bin/
 *     <root>/mirrors/<name>/
 */
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  generateKeyPair,
  publicKeyBase64,
  type SecretKey,
  serializeSecretKey,
} from '@landfall/minisign';
import type { ReleaseConfig } from '@landfall/release';
import { onTestFinished } from 'vitest';
import { type CommandOptions, type Outcome, runCommand } from './command.ts';

export interface ProjectOptions {
  /** Names of directory mirrors; three unless told. */
  mirrors?: readonly string[];
  version?: string;
  /** Changes the configuration before it is written. */
  configure?: (config: ReleaseConfig) => void;
}

export interface ProjectMirror {
  name: string;
  directory: string;
}

export interface Project {
  readonly root: string;
  /** The project's folder: what `release` is run in. */
  readonly directory: string;
  readonly mirrors: readonly ProjectMirror[];
  /** The folder of the mirror of that name. */
  mirror(name: string): string;
  /** What `release.config.ts` holds; change it and call `writeConfig`. */
  readonly config: ReleaseConfig;
  readonly key: SecretKey;
  /** The public key's line: `RW…`. */
  readonly publicKey: string;
  writeConfig(): void;
  setVersion(version: string): void;
  /** Writes a file of the project; the folder is made. */
  write(path: string, content: string | Uint8Array, mode?: number): void;
  /** Runs `release` in the project's folder. */
  release(args: readonly string[], options?: CommandOptions): Promise<Outcome>;
  remove(): void;
}

/** A project that is removed when the running test ends. */
export async function useProject(options: ProjectOptions = {}): Promise<Project> {
  const project = await makeProject(options);
  onTestFinished(() => project.remove());
  return project;
}

/** Makes a project whose web UI has an index, two assets and a folder, and whose server is a script. */
export async function makeProject(options: ProjectOptions = {}): Promise<Project> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'landfall-project-')));
  const directory = join(root, 'project');
  const mirrors = (options.mirrors ?? ['oslo', 'lima', 'kyoto']).map((name) => ({
    name,
    directory: join(root, 'mirrors', name),
  }));
  for (const mirror of mirrors) makeMirror(mirror.directory);
  const key = generateKeyPair();
  const config = exampleConfig(publicKeyBase64(key.publicKey), mirrors);
  options.configure?.(config);
  const write: Project['write'] = (path, content, mode = 0o644) => {
    const file = join(directory, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    chmodSync(file, mode);
  };
  const project: Project = {
    root,
    directory,
    mirrors,
    mirror: (name) => join(root, 'mirrors', name),
    config,
    key,
    publicKey: publicKeyBase64(key.publicKey),
    write,
    writeConfig: () => write('release.config.ts', configText(config)),
    setVersion: (version) =>
      write('package.json', `${JSON.stringify({ name: 'archipelago', version }, null, 2)}\n`),
    release: (args, more) => runCommand('release', args, { cwd: directory, ...more }),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
  write('keys/release.key', await serializeSecretKey(key, { password: undefined }), 0o600);
  writeWebUi(project, 'one');
  write('bin/server', '#!/bin/sh\necho server one\n', 0o755);
  project.setVersion(options.version ?? '1.0.0');
  project.writeConfig();
  return project;
}

/** Makes `directory` a mirror, as `mirrors init` does. */
export function makeMirror(directory: string): void {
  mkdirSync(join(directory, 'releases'), { recursive: true });
  const marker = `${JSON.stringify({ landfall: 'mirror', schema: 1 })}\n`;
  writeFileSync(join(directory, 'landfall-mirror.json'), marker);
}

/** Writes the project's web UI; `edition` is in every file, so that editions differ. */
export function writeWebUi(project: Project, edition: string): void {
  const page = `<!doctype html><title>${edition}</title><script src="/assets/app.js"></script>\n`;
  project.write('dist/index.html', page);
  project.write('dist/assets/app.js', `console.log(${JSON.stringify(edition)});\n`.repeat(200));
  project.write('dist/assets/style.css', `/* ${edition} */ body { color: teal }\n`);
  for (const each of ['dist', 'dist/assets']) chmodSync(join(project.directory, each), 0o755);
}

function exampleConfig(publicKey: string, mirrors: readonly ProjectMirror[]): ReleaseConfig {
  return {
    app: 'archipelago',
    keys: { secret: ['keys/release.key'], public: [publicKey] },
    mirrors: mirrors.map(({ name, directory }) => ({ type: 'directory', name, path: directory })),
    components: [
      { name: 'web-ui', kind: 'tree', from: 'dist' },
      { name: 'server', kind: 'file', platforms: { 'linux-x64': 'bin/server' } },
    ],
  };
}

function configText(config: ReleaseConfig): string {
  return [
    "import { defineConfig } from '@landfall/release';",
    '',
    `export default defineConfig(${JSON.stringify(config, null, 2)});`,
    '',
  ].join('\n');
}
