/**
 * The `directory` mirror, read side: a folder in a fixed layout, read from the
 * disk or through any web server that serves it.
 */
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { DirectoryConfig, Named } from './config.ts';
import { Folder } from './folder.ts';
import { encodePath, HttpClient } from './http.ts';
import * as http from './http-reader.ts';
import { artifactPath, checkIndexPath } from './layout.ts';
import type { ArtifactStream, Mirror, OpenOptions, ReadOptions } from './mirror.ts';
import { readCredential } from './token.ts';

/** Reads through `url` when there is one, as its readers do, else from `path`. */
export class DirectoryMirror implements Mirror {
  readonly kind = 'directory';
  readonly name: string;
  readonly address: string;
  readonly #source: Folder | HttpClient;

  constructor(config: Named<DirectoryConfig>, env: NodeJS.ProcessEnv = process.env) {
    this.name = config.name;
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
    return this.#source instanceof Folder
      ? await this.#source.read(path, options)
      : await http.readFile(this.#source, encodePath(path), options);
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
