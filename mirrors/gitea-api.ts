/**
 * The calls of Gitea's REST API that publishing needs, one method each. Each
 * is one request; nothing here repeats or decides anything. Formats as
 * recorded in `test/vectors/gitea/`.
 */
import { describeIssues } from '@landfall/errors';
import { z } from '@landfall/manifest';
import { MirrorError } from './errors.ts';
import { encodePath, type HttpClient, type HttpRequest, type RequestBody } from './http.ts';
import { htmlError, safeWords, statusError } from './http-errors.ts';
import type { ArtifactStream, ReadOptions } from './mirror.ts';

const MAX_JSON = 4 * 1024 * 1024;
const DEADLINE_MS = 30_000;
const PAGE = 50;
const MAX_PAGES = 200;

const user = z.looseObject({ login: z.string() });
const repository = z.looseObject({
  archived: z.optional(z.boolean()),
  default_branch: z.optional(z.string()),
  mirror: z.optional(z.boolean()),
  permissions: z.optional(z.looseObject({ push: z.boolean() })),
});
const branch = z.looseObject({
  commit: z.looseObject({ id: z.string() }),
  protected: z.optional(z.boolean()),
  user_can_push: z.optional(z.boolean()),
});
const asset = z.looseObject({
  id: z.int(),
  name: z.string(),
  size: z.int().check(z.minimum(0)),
  uuid: z.string().check(z.regex(/^[0-9a-f-]{36}$/)),
});
const release = z.looseObject({
  id: z.int(),
  tag_name: z.string(),
  draft: z.boolean(),
  body: z.optional(z.string()),
});

/** `Attachment` of Gitea's API: `size` in bytes; `/attachments/<uuid>` serves exactly this one. */
export type GiteaAsset = z.infer<typeof asset>;
/** `Release` of Gitea's API, as far as it is used; `body` is its notes, in Markdown. */
export type GiteaRelease = z.infer<typeof release>;
/** `Repository` of Gitea's API. `mirror`: of another; `permissions`: those of the token's user. */
export type GiteaRepository = z.infer<typeof repository>;
/** `Branch` of Gitea's API: its head's commit id, and whether the token's user may push to it. */
export type GiteaBranch = z.infer<typeof branch>;

interface CallOptions {
  signal?: AbortSignal;
}

/** How slow one upload may be; see `ReadLimits`. */
export interface UploadBounds {
  deadlineMs: number;
  minRate: number;
  rateWindowMs: number;
}

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/** One repository in Gitea's API, `/api/v1/repos/<owner>/<name>`. Throws `MirrorError`. */
export class GiteaApi {
  readonly #client: HttpClient;
  readonly #repository: string;
  readonly #secret: string;

  /** `client` has the token, which is `secret`; `repo` is `owner/name`. */
  constructor(client: HttpClient, repo: string, secret: string) {
    this.#client = client;
    this.#repository = `api/v1/repos/${encodePath(repo)}`;
    this.#secret = secret;
  }

  /** Whose token it is; undefined when the token may not tell (403). */
  async user(options: CallOptions): Promise<string | undefined> {
    const answer = await this.#call('GET', 'api/v1/user', [200, 403], options);
    return answer.status === 403 ? undefined : this.#parse(answer, user).login;
  }

  async repository(options: CallOptions): Promise<GiteaRepository> {
    return this.#parse(await this.#call('GET', this.#repository, [200], options), repository);
  }

  /** The branch, or undefined when it has no commit. */
  async branch(name: string, options: CallOptions): Promise<GiteaBranch | undefined> {
    const path = `${this.#repository}/branches/${encodePath(name)}`;
    const answer = await this.#call('GET', path, [200, 404], options);
    return answer.status === 404 ? undefined : this.#parse(answer, branch);
  }

  /** The release of a tag. Some servers find drafts this way, some do not. */
  async releaseByTag(tag: string, options: CallOptions): Promise<GiteaRelease | undefined> {
    const path = `${this.#repository}/releases/tags/${encodePath(tag)}`;
    const answer = await this.#call('GET', path, [200, 404], options);
    return answer.status === 404 ? undefined : this.#parse(answer, release);
  }

  /** The release of a tag, drafts included, by looking through the list until it is found. */
  async releaseInList(tag: string, options: CallOptions): Promise<GiteaRelease | undefined> {
    for await (const page of this.#releasePages(options)) {
      const found = page.find((each) => each.tag_name === tag);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Every release, drafts included. */
  async releases(options: CallOptions): Promise<GiteaRelease[]> {
    const all: GiteaRelease[] = [];
    for await (const page of this.#releasePages(options)) all.push(...page);
    return all;
  }

  async *#releasePages(options: CallOptions): AsyncGenerator<GiteaRelease[]> {
    for (let page = 1; page <= MAX_PAGES; page += 1) {
      // Whoever may write sees drafts unasked; `draft=true` would leave out all else (models/repo/release.go).
      const query = `limit=${PAGE}&page=${page}`;
      const path = `${this.#repository}/releases?${query}`;
      const answer = await this.#call('GET', path, [200], options);
      const releases = this.#parse(answer, z.array(release));
      if (releases.length === 0) return;
      yield releases;
    }
  }

  /** Creates a release. Undefined when the tag has one already (409). */
  async createRelease(
    fields: { tag: string; target: string; notes: string; prerelease: boolean; draft: boolean },
    options: CallOptions,
  ): Promise<GiteaRelease | undefined> {
    const body = {
      tag_name: fields.tag,
      target_commitish: fields.target,
      name: fields.tag,
      body: fields.notes,
      draft: fields.draft,
      prerelease: fields.prerelease,
    };
    const path = `${this.#repository}/releases`;
    const answer = await this.#call('POST', path, [201, 409], { ...options, body: toJson(body) });
    return answer.status === 409 ? undefined : this.#parse(answer, release);
  }

  /** Makes a draft public; on a public release it changes nothing. */
  async publish(id: number, options: CallOptions): Promise<void> {
    const path = `${this.#repository}/releases/${id}`;
    await this.#call('PATCH', path, [200], { ...options, body: toJson({ draft: false }) });
  }

  /** Puts other notes in the place of a release's own. */
  async editNotes(id: number, notes: string, options: CallOptions): Promise<void> {
    const path = `${this.#repository}/releases/${id}`;
    await this.#call('PATCH', path, [200], { ...options, body: toJson({ body: notes }) });
  }

  async assets(releaseId: number, options: CallOptions): Promise<GiteaAsset[]> {
    const path = `${this.#repository}/releases/${releaseId}/assets`;
    return this.#parse(await this.#call('GET', path, [200], options), z.array(asset));
  }

  /** Sends a form with the file. Not safe to repeat: names are not unique. */
  async upload(
    releaseId: number,
    file: string,
    body: RequestBody,
    options: CallOptions & UploadBounds,
  ): Promise<GiteaAsset> {
    const path = `${this.#repository}/releases/${releaseId}/assets?name=${encodeURIComponent(file)}`;
    const answer = await this.#call('POST', path, [201], { ...options, body, what: file });
    return this.#parse(answer, asset);
  }

  /** Deletes an asset. Servers answer a second time with 404 or 500. */
  async deleteAsset(releaseId: number, id: number, options: CallOptions): Promise<void> {
    const path = `${this.#repository}/releases/${releaseId}/assets/${id}`;
    await this.#call('DELETE', path, [204], options);
  }

  /** The bytes of exactly this asset, whatever others share its name. */
  async openAsset(uuid: string, options: ReadOptions): Promise<ArtifactStream> {
    const answer = await this.#client.open('GET', `attachments/${uuid}`, {
      ...options,
      headers: { 'cache-control': 'no-cache' },
    });
    if (answer.status === 200) return { size: answer.size, start: 0, body: answer.body };
    await answer.body.return?.();
    throw statusError(this.#client.mirror, answer);
  }

  async #call(
    method: Method,
    path: string,
    expected: readonly number[],
    options: CallOptions & Partial<HttpRequest>,
  ): Promise<{ status: number; text: string; subject: string }> {
    const answer = await this.#client.exchange(method, path, {
      deadlineMs: DEADLINE_MS,
      ...options,
      maxBytes: MAX_JSON,
      headers: { accept: 'application/json' },
    });
    const text = Buffer.from(answer.bytes).toString('utf8');
    const html = /^text\/html/i.test(answer.header('content-type') ?? '');
    if (expected.includes(answer.status) && !html) return { ...answer, text };
    if (answer.status === 200) throw htmlError(this.#client.mirror, answer.subject, 'JSON');
    const words = html ? 'a page of HTML' : safeWords(messageIn(text), [this.#secret]);
    throw statusError(this.#client.mirror, answer, words, html);
  }

  #parse<T>({ text, subject }: { text: string; subject: string }, schema: z.ZodMiniType<T>): T {
    const result = schema.safeParse(parseJson(text));
    if (result.success) return result.data;
    throw new MirrorError(
      'BAD_ANSWER',
      this.#client.mirror,
      `the answer is not what Gitea's API says: ${safeWords(describeIssues(result.error.issues), [this.#secret])} (${subject})`,
      { cause: result.error, hint: "check that 'url' is that of a Gitea or Forgejo server" },
    );
  }
}

function toJson(value: unknown): RequestBody {
  const bytes = Buffer.from(JSON.stringify(value));
  return { contentType: 'application/json', size: bytes.length, chunks: [bytes] };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The `message` of Gitea's error answers, else the beginning of the text. */
function messageIn(text: string): string {
  const value = parseJson(text);
  const known = z.looseObject({ message: z.string() }).safeParse(value);
  return known.success ? known.data.message : text.slice(0, 200);
}
