/** What stands outside the API: downloads by name, attachments, raw files. */
import { statSync } from 'node:fs';
import { parseRange } from '../../../mirrors/serve-range.ts';
import type { Answer } from '../http-faults.ts';
import type { Call } from './answers.ts';
import { rawFile } from './contents.ts';
import type { Repository } from './state.ts';

const NOT_FOUND: Answer = {
  status: 404,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: 'Not Found\n',
};

/** Answers a path that is neither the API's nor git's. */
export function answerWeb(call: Call): Answer {
  const parts = call.path.split('/').map(decodeURIComponent);
  if (parts[0] === 'attachments') return attachment(call, parts[1] ?? '');
  const repository = call.state.repositories.get(`${parts[0]}/${parts[1]}`);
  if (repository === undefined) return NOT_FOUND;
  const [kind, what, ...rest] = parts.slice(2);
  if (kind === 'raw' && what === 'branch') return rawInBranch(repository, rest);
  if (kind === 'releases' && what === 'download') return byName(call, repository, rest);
  return NOT_FOUND;
}

/** Branch names may hold slashes: the first prefix that is a branch counts. */
function rawInBranch(repository: Repository, rest: readonly string[]): Answer {
  for (let count = 1; count < rest.length; count += 1) {
    const branch = rest.slice(0, count).join('/');
    const answer = rawFile(repository, branch, rest.slice(count).join('/'));
    if (answer.status === 200 || count === rest.length - 1) return answer;
  }
  return NOT_FOUND;
}

function byName(call: Call, repository: Repository, [tag, name]: readonly string[]): Answer {
  const release = repository.releases.find((each) => each.tag === tag);
  const hidden = release?.draft === true && !call.options.draftsArePublic && !call.authorized;
  const asset = release?.assets.find((each) => each.name === name);
  if (asset === undefined || hidden) return NOT_FOUND;
  const location = `${call.base}/attachments/${asset.uuid}`;
  return {
    status: 302,
    headers: { 'content-type': 'text/html; charset=utf-8', location },
    body: `<a href="${location}">Found</a>.\n\n`,
  };
}

function attachment(call: Call, uuid: string): Answer {
  const found = call.state.findAsset(uuid);
  if (found === undefined) return NOT_FOUND;
  const { release, asset } = found;
  if (release.draft && !call.options.draftsArePublic && !call.authorized) return NOT_FOUND;
  if (call.method === 'GET') asset.downloads += 1;
  const file = call.state.attachment(uuid);
  const headers = {
    'content-type': 'application/octet-stream',
    etag: `"${uuid}"`,
    'content-disposition': `attachment; filename="${asset.name}"`,
    'cache-control': 'public,max-age=86400',
  };
  const { size } = statSync(file);
  const wanted = call.options.ranges ? call.request.headers.range : undefined;
  const range = parseRange(wanted, size);
  if (range === undefined) return { status: 200, headers, body: { file } };
  if (range === 'unsatisfiable') return { status: 416, headers, body: '' };
  const contentRange = `bytes ${range.start}-${range.end}/${size}`;
  return {
    status: 206,
    headers: { ...headers, 'content-range': contentRange },
    body: { file, ...range },
  };
}
