/**
 * The `gitea` mirror, read side: artifacts are assets of the release
 * `v<version>`, the index is the tip of a branch. Reads are anonymous, as a
 * node's are; this file knows no token.
 */
import type { GiteaConfig, Named } from './config.ts';
import { encodePath, HttpClient } from './http.ts';
import * as http from './http-reader.ts';
import { artifactPath, checkIndexPath } from './layout.ts';
import type { ArtifactStream, Mirror, ReadOptions } from './mirror.ts';

const DEFAULT_BRANCH = 'main';

/**
 * Reads at `<url>/<repository>/raw/branch/<branch>/<path>` and
 * `<url>/<repository>/releases/download/v<version>/<file>`, which answers 302
 * to `/attachments/<uuid>` on the same origin.
 */
export class GiteaMirror implements Mirror {
  readonly kind = 'gitea';
  readonly name: string;
  readonly address: string;
  readonly branch: string;
  readonly #repository: string;
  readonly #client: HttpClient;

  constructor(config: Named<GiteaConfig>) {
    this.name = config.name;
    this.branch = config.branch ?? DEFAULT_BRANCH;
    this.#repository = encodePath(config.repository);
    const base = config.url.replace(/\/+$/, '');
    this.address = `${base}/${config.repository}`;
    this.#client = new HttpClient({ mirror: config.name, base });
  }

  async readIndex(path: string, options: ReadOptions): Promise<Uint8Array | undefined> {
    const branch = encodePath(this.branch);
    const target = `${this.#repository}/raw/branch/${branch}/${encodePath(checkIndexPath(path))}`;
    return http.readFile(this.#client, target, options);
  }

  async openArtifact(
    version: string,
    file: string,
    options: ReadOptions,
  ): Promise<ArtifactStream | undefined> {
    return http.openFile(this.#client, this.#artifact(version, file), options);
  }

  async statArtifact(
    version: string,
    file: string,
    options: ReadOptions,
  ): Promise<{ size: number | undefined } | undefined> {
    return http.statFile(this.#client, this.#artifact(version, file), options);
  }

  #artifact(version: string, file: string): string {
    return `${this.#repository}/${encodePath(artifactPath(version, file))}`;
  }
}
