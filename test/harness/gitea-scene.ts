/** Stand-ins of Gitea servers with writers to them, ended with the running test. */
import { openWritableMirrors, type WritableMirror } from '@landfall/mirrors';
import { onTestFinished } from 'vitest';
import {
  type GiteaStandIn,
  type GiteaStandInOptions,
  startGiteaStandIn,
} from './gitea-stand-in/server.ts';
import type { GiteaPlace } from './gitea-subject.ts';

export const REPOSITORY = 'ship/landfall';

export interface GiteaScene {
  server: GiteaStandIn;
  writer: WritableMirror;
  place: GiteaPlace;
}

/** One server, and a writer to it that retries without waiting long. */
export async function giteaScene(
  name = 'north',
  options: GiteaStandInOptions = {},
): Promise<GiteaScene> {
  const server = await startGiteaStandIn({ repository: REPOSITORY, ...options });
  onTestFinished(() => server.close());
  const place = { url: server.url, token: server.token, repository: REPOSITORY };
  return { server, writer: writerTo(place, name), place };
}

/** A fresh writer, as another run of the program would have. */
export function writerTo(place: GiteaPlace, name = 'north'): WritableMirror {
  const { url, repository, token } = place;
  const [writer] = openWritableMirrors(
    [{ type: 'gitea', name, url, repository, token: { env: 'TOKEN' } }],
    { env: { TOKEN: token }, retry: { firstDelayMs: 20 } },
  );
  if (writer === undefined) throw new Error('no mirror was opened');
  return writer;
}

/** How many requests of a method went to paths that match. */
export function countRequests(server: GiteaStandIn, method: string, path: RegExp): number {
  return server.requests.filter((each) => each.method === method && path.test(each.url)).length;
}
