/** Releases and assets of the REST API. */
import { copyFileSync } from 'node:fs';
import { type Answer, SENT_TWICE } from '../http-faults.ts';
import {
  empty,
  failure,
  json,
  notFound,
  readJson,
  type RepositoryCall,
  unauthorized,
} from './answers.ts';
import { assetShape, releaseShape } from './shapes.ts';
import { commitOf, headOf, type Release, runGit } from './state.ts';
import { receiveForm } from './upload.ts';

/** Answers a path that begins with `releases`, or undefined when there is none such. */
export async function answerReleases(call: RepositoryCall): Promise<Answer | undefined> {
  const [, id, assets, asset] = call.path.split('/');
  const route = `${call.method} ${assets ?? ''}`;
  if (id === undefined) {
    return call.method === 'POST' ? createRelease(call) : listReleases(call);
  }
  if (id === 'latest') return notFound(call);
  if (id === 'tags') return releaseByTag(call, decodeURIComponent(assets ?? ''));
  if (!call.authorized && call.method !== 'GET') {
    call.request.resume();
    return unauthorized(call);
  }
  const release = call.repository.releases.find((each) => String(each.id) === id);
  if (route === 'POST assets') return uploadAsset(call, release, id);
  if (release === undefined) return notFound(call);
  if (route === 'DELETE assets') return deleteAsset(call, release, Number(asset));
  if (route === 'GET assets') {
    return json(
      200,
      release.assets.map((each) => assetShape(call.base, each)),
    );
  }
  if (route === 'PATCH ') return editRelease(call, release);
  if (route === 'GET ') return json(200, releaseShape(call.base, call.repository, release));
  if (route === 'DELETE ') {
    call.repository.releases.splice(call.repository.releases.indexOf(release), 1);
    return empty(204);
  }
  return undefined;
}

function isVisible(call: RepositoryCall, release: Release): boolean {
  return !release.draft || call.options.draftsArePublic;
}

function releaseByTag(call: RepositoryCall, tag: string): Answer {
  const release = call.repository.releases.find((each) => each.tag === tag);
  if (release === undefined || !isVisible(call, release)) return notFound(call);
  return json(200, releaseShape(call.base, call.repository, release));
}

function listReleases(call: RepositoryCall): Answer {
  const limit = Number(call.query.get('limit') ?? 30);
  const page = Number(call.query.get('page') ?? 1);
  // Not whether drafts are there too, but whether nothing else is.
  const only = call.query.get('draft');
  const visible = call.repository.releases
    .filter((each) => !each.draft || call.authorized)
    .filter((each) => only === null || String(each.draft) === only)
    .toReversed();
  const listed = visible.slice((page - 1) * limit, page * limit);
  return json(
    200,
    listed.map((each) => releaseShape(call.base, call.repository, each)),
    { 'x-total-count': String(visible.length) },
  );
}

async function createRelease(call: RepositoryCall): Promise<Answer> {
  if (!call.authorized) return unauthorized(call);
  const { repository, state } = call;
  const body = await readJson(call.request);
  const tag = String(body['tag_name']);
  if (repository.releases.some((each) => each.tag === tag)) {
    return failure(call, 409, 'Release is has no Tag');
  }
  const target = String(body['target_commitish'] ?? repository.branch);
  if (headOf(repository, repository.branch) === undefined || repository.asleep > 0) {
    repository.asleep = Math.max(0, repository.asleep - 1);
    return failure(call, 422, 'repo is empty');
  }
  const release = state.createRelease(repository, {
    tag,
    target,
    title: String(body['name'] ?? tag),
    notes: String(body['body'] ?? ''),
    draft: body['draft'] === true,
    prerelease: body['prerelease'] === true,
  });
  if (!release.draft) tagRelease(call, release);
  return json(201, releaseShape(call.base, repository, release));
}

async function editRelease(call: RepositoryCall, release: Release): Promise<Answer> {
  const body = await readJson(call.request);
  if (typeof body['draft'] === 'boolean') release.draft = body['draft'];
  if (typeof body['body'] === 'string') release.notes = body['body'];
  if (!release.draft) {
    if (commitOf(call.repository, release.target) === undefined) {
      return failure(call, 500, `object does not exist [id: ${release.target}, rel_path: ]`);
    }
    tagRelease(call, release);
  }
  return json(200, releaseShape(call.base, call.repository, release));
}

/** A release that is published gets its tag, at the head of its branch or at its commit. */
function tagRelease({ repository }: RepositoryCall, release: Release): void {
  const existing = runGit(repository.git, ['tag', '--list', release.tag]);
  if (existing !== '') return;
  const target = commitOf(repository, release.target) ?? release.target;
  runGit(repository.git, ['update-ref', `refs/tags/${release.tag}`, target]);
}

async function uploadAsset(
  call: RepositoryCall,
  release: Release | undefined,
  id: string,
): Promise<Answer> {
  if (release === undefined) {
    call.request.resume();
    return failure(call, 500, `release tag does not exist [id: ${id}, tag_name: ]`);
  }
  const uuid = call.state.newUuid();
  const received = await receiveForm(call.request, call.state.attachment(uuid));
  if ('error' in received) return failure(call, 500, received.error);
  const name = call.query.get('name') ?? 'attachment';
  const asset = call.state.addAsset(release, { uuid, name, size: received.size });
  if (call.request.headers[SENT_TWICE] !== undefined) {
    const second = call.state.newUuid();
    copyFileSync(call.state.attachment(uuid), call.state.attachment(second));
    call.state.addAsset(release, { uuid: second, name, size: received.size });
  }
  return json(201, assetShape(call.base, asset));
}

function deleteAsset(call: RepositoryCall, release: Release, id: number): Answer {
  const asset = release.assets.find((each) => each.id === id);
  if (asset === undefined) {
    return failure(call, 500, `attachment does not exist [id: ${id}, uuid: ]`);
  }
  call.state.removeAsset(release, asset);
  return empty(204);
}
