/** A Gitea server (the stand-in or a live one) as a subject of the mirrors' conformance suite. */
import { openMirrors, openWritableMirrors } from '@landfall/mirrors';
import type { Subject } from '../mirrors/conformance.ts';

export interface GiteaPlace {
  url: string;
  token: string;
  /** `owner/name`, empty. */
  repository: string;
}

/** Both sides of the mirror, and hands that reach in behind the writer's back. */
export function giteaSubject(place: GiteaPlace, close: () => Promise<void>): Subject {
  const { url, token, repository } = place;
  const config = { type: 'gitea' as const, url, repository, token: { env: 'TOKEN' } };
  const [writer] = openWritableMirrors([config], {
    env: { TOKEN: token },
    retry: { firstDelayMs: 20 },
  });
  const [reader] = openMirrors([config]);
  if (writer === undefined || reader === undefined) throw new Error('no mirror was opened');
  return {
    reader,
    writer,
    secret: token,
    plant: async (version, file, bytes) => {
      const { id } = await releaseOf(place, version);
      await uploadAsset(place, id, file, bytes);
    },
    copies: async (version, file) => {
      const { assets } = await releaseOf(place, version);
      return assets.filter((each) => each.name === file).length;
    },
    close,
  };
}

/** One request to the server's API; its answer's JSON. Throws for an error status. */
export async function askGitea(
  { url, token }: Pick<GiteaPlace, 'url' | 'token'>,
  method: string,
  path: string,
  body?: string | FormData,
): Promise<unknown> {
  const answer = await fetch(`${url}/api/v1/${path}`, {
    method,
    headers: {
      authorization: `token ${token}`,
      ...(typeof body === 'string' ? { 'content-type': 'application/json' } : {}),
    },
    ...(body === undefined ? {} : { body }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}

interface FoundRelease {
  id: number;
  draft: boolean;
  tag_name: string;
  assets: { id: number; name: string; size: number }[];
}

/** A release with its assets, draft or not, as the server shows it to the token's user. */
export async function releaseOf(place: GiteaPlace, version: string): Promise<FoundRelease> {
  const path = `repos/${place.repository}/releases?limit=50&page=1`;
  const list = (await askGitea(place, 'GET', path)) as FoundRelease[];
  const found = list.find((each) => each.tag_name === `v${version}`);
  if (found === undefined) throw new Error(`the server has no release v${version}`);
  return found;
}

/** Adds an asset, whatever is there under that name. */
export async function uploadAsset(
  place: GiteaPlace,
  releaseId: number,
  file: string,
  bytes: Uint8Array,
): Promise<void> {
  const form = new FormData();
  form.append('attachment', new Blob([Buffer.from(bytes)]), file);
  const name = encodeURIComponent(file);
  const path = `repos/${place.repository}/releases/${releaseId}/assets?name=${name}`;
  await askGitea(place, 'POST', path, form);
}
