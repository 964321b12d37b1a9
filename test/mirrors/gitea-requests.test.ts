/**
 * Everything our client asks of a Gitea server was recorded from a real one:
 * a request that nobody has seen answered is a guess. Compared by method and
 * path, with what differs from run to run left out.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openWritableMirrors, prepareIndexUpdate } from '@landfall/mirrors';
import { type GiteaStandIn, startGiteaStandIn } from '../harness/gitea-stand-in/server.ts';
import { uploadAsset, releaseOf } from '../harness/gitea-subject.ts';
import { temporaryFolder } from '../harness/temporary.ts';
import { makeArtifact } from './conformance.ts';

/** Not in the recording, each with the reason why it may be asked. */
const BESIDES: Readonly<Record<string, string>> = {
  'GET <repository>.git/info/refs': "git's own protocol, spoken by git",
  'POST <repository>.git/git-upload-pack': "git's own protocol, spoken by git",
  'POST <repository>.git/git-receive-pack': "git's own protocol, spoken by git",
  'GET /api/v1/repos/<repository>/git/commits/<commit>':
    'only decides where a tag stands: any answer but 200 means the index branch',
  'HEAD /attachments/<uuid>': 'where a recorded redirect of a HEAD leads',
};

interface Recorded {
  request: { method: string; path: string };
}

function template(method: string, url: string): string {
  const path = new URL(url, 'http://x').pathname
    .replace(/^\/api\/v1\/repos\/[^/]+\/[^/]+/, '/api/v1/repos/<repository>')
    .replace(/^\/attachments\/[0-9a-f-]{36}$/, '/attachments/<uuid>')
    .replace(/^\/[^/]+\/[^/]+\.git\//, '<repository>.git/')
    .replace(/^\/[^/]+\/[^/]+\/(raw\/branch|releases\/download)\//, '/<repository>/$1/')
    .replace(/\/raw\/branch\/.+$/, '/raw/branch/<path>')
    .replace(/\/releases\/download\/.+$/, '/releases/download/<tag>/<file>')
    .replace(/\/releases\/\d+/, '/releases/<id>')
    .replace(/\/assets\/\d+$/, '/assets/<id>')
    .replace(/\/releases\/tags\/.+$/, '/releases/tags/<tag>')
    .replace(/\/git\/commits\/[0-9a-f]+$/, '/git/commits/<commit>')
    .replace(/\/branches\/.+$/, '/branches/<branch>');
  return `${method} ${path}`;
}

function recorded(): Set<string> {
  const file = new URL('../vectors/gitea/recorded-1.17-dev.json', import.meta.url);
  const all = JSON.parse(readFileSync(file, 'utf8')) as Recorded[];
  return new Set(all.map(({ request }) => template(request.method, request.path)));
}

/** One of everything that a mirror can be asked to do, with leftovers and a hidden draft in the way. */
async function askForEverything(server: GiteaStandIn, repository: string): Promise<void> {
  const config = {
    type: 'gitea' as const,
    name: 'north',
    url: server.url,
    repository,
    token: { env: 'TOKEN' },
  };
  const artifact = makeArtifact('web-ui.tar.zst', 5000);
  const files = [artifact];
  const commit = '1'.repeat(40);
  const release = { version: '1.0.0', notes: '', prerelease: false, commit, files };
  const limits = { maxBytes: 10_000, deadlineMs: 10_000 };
  for (let round = 0; round < 2; round += 1) {
    const [mirror] = openWritableMirrors([config], { env: { TOKEN: server.token } });
    if (mirror === undefined) throw new Error('no mirror was opened');
    await mirror.checkWritable({});
    await mirror.ensureRelease(release, {});
    const place = { url: server.url, token: server.token, repository };
    if (round === 0) continue;
    const { id } = await releaseOf(place, '1.0.0');
    await uploadAsset(place, id, artifact.file, Buffer.from('left over'));
    await mirror.uploadArtifact('1.0.0', artifact.path, artifact);
    const update = await prepareIndexUpdate({
      mirrors: [mirror],
      files: new Map([['releases/manifest.json', Buffer.from('{}')]]),
      message: 'Release 1.0.0',
      date: '2026-04-22T19:00:00Z',
      repository: join(temporaryFolder(), 'index.git'),
    });
    await mirror.writeIndex(update, {});
    expect(await mirror.readIndex('releases/manifest.json', limits)).toBeDefined();
    expect(await mirror.statArtifact('1.0.0', artifact.file, limits)).toBeDefined();
    const stream = await mirror.openArtifact('1.0.0', artifact.file, limits);
    await stream?.body.return?.();
    await mirror.finishRelease('1.0.0', {});
    expect(await mirror.listReleases({})).toHaveLength(1);
    await mirror.removeArtifacts('1.0.0', {});
  }
}

it('asks nothing that was not recorded', async () => {
  const repository = 'ship/landfall';
  const server = await startGiteaStandIn({ repository, draftsArePublic: false });
  onTestFinished(() => server.close());
  await askForEverything(server, repository);
  const asked = new Set(server.requests.map(({ method, url }) => template(method, url)));
  const known = recorded();
  const guessed = [...asked].filter((each) => !known.has(each)).toSorted();
  expect(guessed).toEqual(Object.keys(BESIDES).toSorted());
  // A flow that asked for little would prove little.
  expect([...asked].filter((each) => known.has(each)).toSorted()).toEqual([
    'DELETE /api/v1/repos/<repository>/releases/<id>/assets/<id>',
    'GET /<repository>/raw/branch/<path>',
    'GET /<repository>/releases/download/<tag>/<file>',
    'GET /api/v1/repos/<repository>',
    'GET /api/v1/repos/<repository>/branches/<branch>',
    'GET /api/v1/repos/<repository>/releases',
    'GET /api/v1/repos/<repository>/releases/<id>/assets',
    'GET /api/v1/repos/<repository>/releases/tags/<tag>',
    'GET /api/v1/user',
    'GET /attachments/<uuid>',
    'HEAD /<repository>/releases/download/<tag>/<file>',
    'PATCH /api/v1/repos/<repository>/releases/<id>',
    'POST /api/v1/repos/<repository>/releases',
    'POST /api/v1/repos/<repository>/releases/<id>/assets',
  ]);
});
