/** The conformance suite over Gitea: the stand-in in both its manners, and a live server when one is named. */
import { randomBytes } from 'node:crypto';
import { startGiteaStandIn } from '../harness/gitea-stand-in/server.ts';
import { askGitea, giteaSubject } from '../harness/gitea-subject.ts';
import { describeMirror } from '../mirrors/conformance.ts';

const REPOSITORY = 'ship/landfall';

describeMirror('Gitea 1.17, as recorded', async () => {
  const server = await startGiteaStandIn({ repository: REPOSITORY });
  const { url, token } = server;
  return giteaSubject({ url, token, repository: REPOSITORY }, () => server.close());
});

describeMirror('a newer Gitea, whose drafts are hidden and which honours ranges', async () => {
  const server = await startGiteaStandIn({
    repository: REPOSITORY,
    draftsArePublic: false,
    ranges: true,
  });
  const { url, token } = server;
  return giteaSubject({ url, token, repository: REPOSITORY }, () => server.close());
});

/**
 * A live server: GITEA_URL, and in GITEA_TOKEN a token with `write:repository` and
 * `write:user` (it makes a repository of its own for each test, and removes it). The
 * server must let anyone read public repositories and take attachments of 4 MB.
 */
const live = process.env['GITEA_URL'];
const liveToken = process.env['GITEA_TOKEN'];
if ((live === undefined) !== (liveToken === undefined)) {
  throw new Error('expected both GITEA_URL and GITEA_TOKEN, or neither');
}

if (live !== undefined && liveToken !== undefined) {
  describeMirror(`the live server at ${live}`, async () => {
    const place = { url: live.replace(/\/+$/, ''), token: liveToken };
    const user = (await askGitea(place, 'GET', 'user')) as { login: string };
    const name = `landfall-test-${randomBytes(6).toString('hex')}`;
    const body = JSON.stringify({ name, default_branch: 'main', auto_init: false, private: false });
    await askGitea(place, 'POST', 'user/repos', body);
    const repository = `${user.login}/${name}`;
    return giteaSubject({ ...place, repository }, async () => {
      await askGitea(place, 'DELETE', `repos/${repository}`);
    });
  });
}
