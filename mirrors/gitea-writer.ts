/**
 * The `gitea` mirror, write side: assets over the REST API, the index by git
 * push. Each write looks at what is there first, so that it can be repeated
 * after a lost answer or a crash, on this machine or another. What a crash
 * leaves: a draft release, or assets, that the next run completes.
 */
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { crashPoint } from '@landfall/cli';
import { releaseTag } from '@landfall/manifest';
import type { GiteaConfig, Named } from './config.ts';
import { MirrorError } from './errors.ts';
import { pushIndex, startBranch } from './git-index.ts';
import { GitRemote } from './git-remote.ts';
import { GiteaApi, type GiteaRelease, type GiteaRepository } from './gitea-api.ts';
import { GiteaUploads } from './gitea-uploads.ts';
import { listStored, removeStored } from './gitea-releases.ts';
import { tagTarget } from './gitea-commit.ts';
import { GiteaMirror } from './gitea.ts';
import { HttpClient } from './http.ts';
import { openScratch, writeStartCommit } from './index-commit.ts';
import { artifactPath } from './layout.ts';
import type {
  IndexBranch,
  IndexUpdate,
  ReleaseInfo,
  StoredRelease,
  UploadOptions,
  WritableMirror,
  WriteCheck,
  WriteIndexOptions,
} from './mirror.ts';
import { retrying, type RetryPolicy } from './retry.ts';
import { withScratchFolder } from './scratch.ts';
import type { Token } from './token.ts';

const WAKING_ATTEMPTS = 6;
const WAKING_DELAY_MS = 300;

interface CallOptions {
  signal?: AbortSignal;
}

/** Where readers' secrets and proxies are looked up, and how what is safe to repeat is repeated. */
export interface GiteaWriterOptions {
  env?: NodeJS.ProcessEnv | undefined;
  retry?: RetryPolicy | undefined;
}

/** Publishes with the token, which goes to the mirror's own origin alone. */
export class WritableGiteaMirror extends GiteaMirror implements WritableMirror {
  readonly indexBranch: IndexBranch;
  readonly uploadsAtOnce: number;
  readonly #api: GiteaApi;
  readonly #client: HttpClient;
  readonly #repository: string;
  readonly #remote: GitRemote;
  readonly #policy: RetryPolicy;
  readonly #uploads: GiteaUploads;
  /** Whether the configuration names the index branch. */
  readonly #hasOwnBranch: boolean;
  readonly #ensured = new Map<string, { id: number; files: ReleaseInfo['files'] }>();

  constructor(
    config: Named<GiteaConfig>,
    token: Token,
    { env, retry = {} }: GiteaWriterOptions = {},
  ) {
    super(config, env);
    const { ca, allowOrigins } = config;
    const base = config.url.replace(/\/+$/, '');
    const client = new HttpClient({
      mirror: config.name,
      base,
      authorization: () => token.forApi(),
      ca,
      allowOrigins,
      env,
    });
    this.#client = client;
    this.#repository = config.repository;
    this.#api = new GiteaApi(client, config.repository, token.reveal());
    const url = config.git ?? `${base}/${config.repository}.git`;
    const sameOrigin = new URL(url).origin === new URL(base).origin;
    this.#remote = new GitRemote({
      mirror: config.name,
      url,
      branch: this.branch,
      secret: token.reveal(),
      ca,
      env,
      ...(sameOrigin ? { authorization: () => token.forGit() } : {}),
    });
    this.#policy = retry;
    this.#uploads = new GiteaUploads(config.name, config.upload ?? {}, retry);
    this.uploadsAtOnce = this.#uploads.concurrency;
    this.#hasOwnBranch = config.branch !== undefined;
    this.indexBranch = {
      fetchHead: (repository, options) =>
        this.#retry(() => this.#remote.fetchHead(repository, options), options),
    };
  }

  async checkWritable(options: CallOptions): Promise<WriteCheck> {
    const user = await this.#retry(() => this.#api.user(options), options);
    const repository = await this.#retry(() => this.#api.repository(options), options);
    const branch = await this.#retry(() => this.#api.branch(this.branch, options), options);
    if (repository.archived === true) {
      throw this.#notWritable('the repository is archived', 'unarchive it in its settings');
    }
    if (branch === undefined) await this.#refuseMovedBranch(repository, options);
    if (repository.mirror === true) {
      throw this.#notWritable(
        'the repository is a pull mirror of another',
        'turn it into a regular repository in its settings',
      );
    }
    if (repository.permissions?.push === false) {
      throw this.#notWritable(
        `user '${user ?? 'of the token'}' may not push`,
        'add the user as a collaborator with write access, and give the token write:repository',
      );
    }
    if (branch?.protected === true && branch.user_can_push === false) {
      throw this.#notWritable(
        `branch '${this.branch}' is protected`,
        "allow the token's user to push to it in the repository's branch settings",
      );
    }
    return { user, head: branch?.commit.id };
  }

  /**
   * An index branch that nobody has chosen and that is not there, beside a
   * default branch of another name that is: it was moved, and a second one
   * must not be begun in its place.
   */
  async #refuseMovedBranch(repository: GiteaRepository, options: CallOptions): Promise<void> {
    const now = repository.default_branch;
    if (this.#hasOwnBranch || now === undefined || now === this.branch) return;
    if ((await this.#retry(() => this.#api.branch(now, options), options)) === undefined) return;
    throw this.#notWritable(
      `has no branch '${this.branch}': its default branch is '${now}'`,
      `if the index moved with it, add branch: '${now}' to the mirror's configuration and to the nodes'; if '${this.branch}' is to be made beside it, add branch: '${this.branch}'`,
    );
  }

  async ensureRelease(release: ReleaseInfo, options: CallOptions): Promise<void> {
    await this.#ensureBranch(options);
    const tag = releaseTag(release.version);
    const found = await this.#retry(async () => {
      const there = await this.#api.releaseByTag(tag, options);
      return there ?? (await this.#create(tag, release, options));
    }, options);
    this.#ensured.set(release.version, { id: found.id, files: release.files });
    crashPoint('mirror-release-ensured');
  }

  async uploadArtifact(version: string, path: string, options: UploadOptions): Promise<void> {
    const file = basename(path);
    artifactPath(version, file);
    const release = this.#ensured.get(version);
    if (release === undefined) {
      throw new MirrorError(
        'CONFIG',
        this.name,
        `release ${version} was not ensured before '${file}'`,
      );
    }
    const target = { mirror: this.name, api: this.#api, releaseId: release.id, file };
    await this.#uploads.settle(target, path, options);
    crashPoint('mirror-uploaded');
    if (await this.#isComplete(release, options)) {
      await this.#retry(() => this.#api.publish(release.id, options), options);
      crashPoint('mirror-release-published');
    }
  }

  async finishRelease(version: string, options: CallOptions): Promise<void> {
    const release = this.#ensured.get(version);
    if (release === undefined || !(await this.#isComplete(release, options))) return;
    await this.#retry(() => this.#api.publish(release.id, options), options);
  }

  async listReleases(options: CallOptions): Promise<StoredRelease[]> {
    return this.#retry(() => listStored(this.#api, options), options);
  }

  async removeArtifacts(version: string, options: CallOptions): Promise<void> {
    await this.#retry(() => removeStored(this.#api, version, options), options);
  }

  async writeIndex(update: IndexUpdate, options: WriteIndexOptions): Promise<void> {
    const target = { mirror: this.name, branch: this.branch, remote: this.#remote };
    await this.#retry(() => pushIndex(target, update, options), options);
    crashPoint('mirror-index-written');
  }

  /** A release hangs on a commit: an empty repository gets our empty start commit first. */
  async #ensureBranch(options: CallOptions): Promise<void> {
    const branch = await this.#retry(() => this.#api.branch(this.branch, options), options);
    if (branch !== undefined) return;
    await withScratchFolder('start', async (scratch) => {
      await openScratch(scratch);
      const start = await writeStartCommit(scratch);
      await this.#retry(() => startBranch(this.#remote, scratch, start, options), options);
    });
  }

  async #create(tag: string, release: ReleaseInfo, options: CallOptions): Promise<GiteaRelease> {
    const place = { commit: release.commit, branch: this.branch };
    const target = await tagTarget(this.#client, this.#repository, place, options);
    const fields = {
      tag,
      target,
      notes: release.notes,
      prerelease: release.prerelease,
      draft: true,
    };
    const created = await this.#createAwake(fields, options);
    const found = created ?? (await this.#api.releaseInList(tag, options));
    if (found !== undefined) return found;
    throw new MirrorError('REJECTED', this.name, `has a release '${tag}' that it does not show`, {
      hint: `look at the repository's releases and tags, and delete what is left of '${tag}'`,
    });
  }

  /**
   * Gitea notices some time after the first push that a repository is not empty
   * any more (a queue: services/repository/push.go), and until then refuses.
   */
  async #createAwake(
    fields: Parameters<GiteaApi['createRelease']>[0],
    options: CallOptions,
  ): Promise<GiteaRelease | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#api.createRelease(fields, options);
      } catch (error) {
        const asleep = error instanceof MirrorError && error.message.includes("'repo is empty'");
        if (!asleep || attempt >= WAKING_ATTEMPTS) throw error;
        const wait = sleep(WAKING_DELAY_MS * attempt, undefined, options);
        await wait.catch(() => options.signal?.throwIfAborted());
      }
    }
  }

  async #isComplete(
    release: { id: number; files: ReleaseInfo['files'] },
    options: CallOptions,
  ): Promise<boolean> {
    const assets = await this.#retry(() => this.#api.assets(release.id, options), options);
    return release.files.every(({ file, size }) =>
      assets.some((each) => each.name === file && each.size === size),
    );
  }

  #retry<T>(work: () => Promise<T>, options: CallOptions): Promise<T> {
    return retrying(work, this.#policy, options.signal);
  }

  #notWritable(message: string, hint: string): MirrorError {
    return new MirrorError('NOT_WRITABLE', this.name, message, { hint });
  }
}
