/** The mode gate as the web server's user: really opened, by a process without root's rights. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LookApart } from '../../../updater/effects/look-apart.ts';
import { ownProgram } from '../../../updater/own-program.ts';
import { GATE_FLAG } from '../../../updater/program.ts';
import { findUser, findWebUser, gateAsWebUser } from '../../../updater/effects/web-user.ts';
import { errorOf } from '../../harness/errors.ts';
import { makeHost } from '../../harness/host.ts';
import { exampleWebUi, writeFiles } from '../../harness/release-factory.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

const host = (): ReturnType<typeof makeHost> => makeHost({ top: 'web_user = "nobody"' });

async function gateAs(folder: string): Promise<void> {
  return gateAsWebUser(host(), folder, await findWebUser(host()));
}

function release(): { outer: string; folder: string } {
  const outer = temporaryFolder();
  chmodSync(outer, 0o755);
  mkdirSync(join(outer, 'deployments'));
  const folder = join(outer, 'deployments/web-ui');
  writeFiles(folder, exampleWebUi('1.0.0'));
  return { outer, folder };
}

async function refusal(folder: string): Promise<string> {
  const error = await errorOf(() => gateAs(folder));
  expect(error).toMatchObject({ code: 'WEB_USER', exit: 3 });
  return error.message;
}

describe('the gate as another user', () => {
  it('lets a release through that everybody can read', async () => {
    await expect(gateAs(release().folder)).resolves.toBeUndefined();
  });

  it.each<[string, (at: { outer: string; folder: string }) => void, RegExp]>([
    ['root 0700', ({ folder }) => chmodSync(folder, 0o700), /'\.': .*drwx------ \(0700\)/],
    [
      'page 0600',
      ({ folder }) => chmodSync(join(folder, 'index.html'), 0o600),
      /'index\.html': .*-rw------- \(0600\)/,
    ],
    [
      'assets 0700',
      ({ folder }) => chmodSync(join(folder, 'assets'), 0o700),
      /'assets': .*drwx------/,
    ],
    [
      'a sticky folder',
      ({ folder }) => chmodSync(join(folder, 'assets'), 0o1755),
      /'assets': .*drwxr-xr-t/,
    ],
    ['a link', ({ folder }) => symlinkSync('index.html', join(folder, 'link')), /'link': /],
    [
      'a closed folder above',
      ({ outer }) => chmodSync(join(outer, 'deployments'), 0o700),
      /'\.': permission denied/,
    ],
    [
      'a closed folder further above',
      ({ outer }) => chmodSync(outer, 0o700),
      /'\.': permission denied/,
    ],
  ])('stops %s', async (_, spoil, words) => {
    const at = release();
    spoil(at);
    expect(await refusal(at.folder)).toMatch(words);
  });

  it('stops what only a group of root could read: the groups are given up too', async () => {
    const at = release();
    // Root has none of its own everywhere.
    const before = process.getgroups?.() ?? [];
    onTestFinished(() => process.setgroups?.(before));
    process.setgroups?.([0]);
    chownSync(join(at.outer, 'deployments'), 0, 0);
    chmodSync(join(at.outer, 'deployments'), 0o750);
    expect(await refusal(at.folder)).toContain("'nobody' cannot read the release");
  });

  it('is not the look of root where the machine does not know the user', async () => {
    const stranger = makeHost({ top: 'web_user = "landfall-nobody"' });
    const error = await errorOf(() => findWebUser(stranger));
    expect(error).toMatchObject({
      code: 'WEB_USER',
      hint: expect.stringContaining('id landfall-nobody'),
    });
    expect(error.message).toContain("there is no user 'landfall-nobody'");
  });

  it('names a few of many, not all', async () => {
    const { folder } = release();
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`f${index}`, 'x']));
    writeFiles(folder, many);
    for (const name of Object.keys(many)) chmodSync(join(folder, name), 0o600);
    linkSync(join(folder, 'f0'), join(folder, 'g0'));
    const message = await refusal(folder);
    expect(message.match(/-rw-------/g)).toHaveLength(5);
  });

  it('is told what to look at after its process was started', async () => {
    const { folder } = release();
    const [user, apart] = [await findWebUser(host()), new LookApart()];
    apart.start();
    chmodSync(join(folder, 'index.html'), 0o600);
    const error = await errorOf(() => gateAsWebUser(host(), folder, user, apart));
    expect(error.message).toContain("'index.html'");
  });

  it('cannot be ended by that user: a web server that was taken over keeps no repair away', async () => {
    const { folder } = release();
    for (let index = 0; index < 3000; index += 1) writeFileSync(join(folder, `f${index}`), '');
    const user = await findUser('nobody');
    const apart = new LookApart();
    apart.start();
    const [, pid = ''] =
      /^(\d+) /m.exec(
        execFileSync('pgrep', ['--parent', String(process.pid), '-f', '-a', '--', GATE_FLAG], {
          encoding: 'utf8',
        }),
      ) ?? [];
    const attack = `
      const answers = new Set();
      process.stdout.write('ready\\n');
      for (let code = ''; code !== 'ESRCH'; answers.add(code)) {
        try { process.kill(${pid}, 'SIGKILL'); code = 'ended'; } catch (error) { code = error.code; }
      }
      process.stdout.write([...answers].join());`;
    const attacker = spawn(process.execPath, ['-e', attack], {
      uid: user?.uid,
      gid: user?.groups[0],
    });
    const isReady = new Promise((resolve) => attacker.stdout.once('data', resolve));
    let said = '';
    attacker.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    await isReady;
    expect(await (user && apart.look(user, folder))).toStrictEqual([]);
    await new Promise((resolve) => attacker.once('close', resolve));
    expect(said).toBe('ready\nEPERM,ESRCH');
  });

  it('ends without a word when nobody tells it anything, and can be ended', async () => {
    const [program = '', ...own] = ownProgram();
    expect(spawnSync(program, [...own, GATE_FLAG], { input: '', encoding: 'utf8' })).toMatchObject({
      status: 0,
      stdout: '',
      stderr: '',
    });
    const apart = new LookApart();
    apart.start();
    apart.end();
    const user = await findUser('nobody');
    const look = async (): Promise<unknown> => user && apart.look(user, release().folder);
    const error = await errorOf(look);
    expect(error).toMatchObject({
      code: 'WEB_USER',
      hint: expect.stringContaining('a later check tries again'),
    });
    expect(error.message).toContain(
      "could not look at the release as 'nobody': it ended with SIGKILL",
    );
  });

  it('knows users by name', async () => {
    expect(await findUser('root')).toMatchObject({
      uid: 0,
      groups: expect.arrayContaining([0]) as number[],
    });
    expect(await findUser('nosuchuser')).toBeUndefined();
  });
});
