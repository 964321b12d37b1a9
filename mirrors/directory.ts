/**
 * The `directory` mirror, read side: a folder in a fixed layout, read from the
 * disk or through any web server that serves it.
 */
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { DirectoryConfig, Named } from './config.ts';
import { Folder } from './folder.ts';
import { encodePath, HttpClient } from './http.ts';
import * as http from './http-reader.ts';
import type { IndexMemory } from './index-memory.ts';
import { artifactPath, checkIndexPath } from './layout.ts';
import type { ArtifactStream, Mirror, OpenOptions, ReadOptions } from './mirror.ts';
import { readCredential } from './token.ts';

/** Reads through `url` when there is one, as its readers do, else from `path`. */
export class DirectoryMirror implements Mirror {
  readonly kind = 'directory';
  readonly name: string;
  readonly address: string;
  readonly #source: Folder | HttpClient;
  readonly #memory: IndexMemory | undefined;

  constructor(
    config: Named<DirectoryConfig>,
    env: NodeJS.ProcessEnv = process.env,
    memory?: IndexMemory,
  ) {
    this.name = config.name;
    this.#memory = memory;
    this.address = config.url ?? pathToFileURL(config.path ?? '.').href;
    this.#source = this.address.startsWith('file:')
      ? new Folder(config.name, fileURLToPath(this.address))
      : new HttpClient({
          mirror: config.name,
          base: this.address,
          authorization: readCredential(config, env),
          ca: config.ca,
          allowOrigins: config.allowOrigins,
          env,
        });
  }

  async readIndex(path: string, options: ReadOptions): Promise<Uint8Array | undefined> {
    checkIndexPath(path);
    const source = this.#source;
    if (source instanceof Folder) return source.read(path, options);
    return this.#memory === undefined
      ? await http.readFile(source, encodePath(path), options)
      : await this.#memory.read(this.address, path, (each, etag, limits) =>
          http.readTagged(source, encodePath(each), { ...options, ...limits }, etag),
        );
  }

  async openArtifact(
    version: string,
    file: string,
    options: OpenOptions,
  ): Promise<ArtifactStream | undefined> {
    const path = artifactPath(version, file);
    return this.#source instanceof Folder
      ? await this.#source.open(path, options)
      : await http.openFile(this.#source, encodePath(path), options);
  }

  async statArtifact(
    version: string,
    file: string,
    options: ReadOptions,
  ): Promise<{ size: number | undefined } | undefined> {
    const path = artifactPath(version, file);
    return this.#source instanceof Folder
      ? await this.#source.stat(path, options)
      : await http.statFile(this.#source, encodePath(path), options);
  }
}
