/**
 * The `gitea` mirror, read side: artifacts are assets of the release
 * `v<version>`, the index is the tip of a branch. Reads are as a node's are:
 * anonymous, or with what the configuration gives to readers. This file knows
 * nothing of the token that publishes.
 */
import type { GiteaConfig, Named } from './config.ts';
import { encodePath, HttpClient } from './http.ts';
import * as http from './http-reader.ts';
import type { IndexMemory } from './index-memory.ts';
import { artifactPath, checkIndexPath } from './layout.ts';
import type { ArtifactStream, Mirror, OpenOptions, ReadOptions } from './mirror.ts';
import { readCredential } from './token.ts';

/** The index branch, unless the configuration names another. */
export const DEFAULT_BRANCH = 'main';

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
  readonly #isPrivate: boolean;
  readonly #memory: IndexMemory | undefined;

  constructor(
    config: Named<GiteaConfig>,
    env: NodeJS.ProcessEnv = process.env,
    memory?: IndexMemory,
  ) {
    this.name = config.name;
    this.#memory = memory;
    this.branch = config.branch ?? DEFAULT_BRANCH;
    this.#repository = encodePath(config.repository);
    const base = config.url.replace(/\/+$/, '');
    this.address = `${base}/${config.repository}`;
    const authorization = readCredential(config, env);
    this.#isPrivate = authorization !== undefined;
    const { name: mirror, ca, allowOrigins } = config;
    this.#client = new HttpClient({ mirror, base, authorization, ca, allowOrigins, env });
  }

  async readIndex(path: string, options: ReadOptions): Promise<Uint8Array | undefined> {
    const branch = encodePath(this.branch);
    const at = (each: string): string =>
      `${this.#repository}/raw/branch/${branch}/${encodePath(each)}`;
    checkIndexPath(path);
    return this.#memory === undefined
      ? await http.readFile(this.#client, at(path), options)
      : await this.#memory.read(this.address, path, (each, etag, limits) =>
          http.readTagged(this.#client, at(each), { ...options, ...limits }, etag),
        );
  }

  async openArtifact(
    version: string,
    file: string,
    options: OpenOptions,
  ): Promise<ArtifactStream | undefined> {
    return http.openFile(this.#client, this.#artifact(version, file), options);
  }

  async statArtifact(
    version: string,
    file: string,
    options: ReadOptions,
  ): Promise<{ size: number | undefined } | undefined> {
    const path = this.#artifact(version, file);
    if (!this.#isPrivate) return http.statFile(this.#client, path, options);
    // Gitea takes a credential for an attachment only with GET (services/auth/auth.go, isAttachmentDownload).
    const stream = await http.openFile(this.#client, path, { ...options, maxBytes: Infinity });
    await stream?.body.return?.();
    return stream === undefined ? undefined : { size: stream.size };
  }

  #artifact(version: string, file: string): string {
    return `${this.#repository}/${encodePath(artifactPath(version, file))}`;
  }
}
