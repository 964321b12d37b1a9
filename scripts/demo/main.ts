/**
 * The main job, start to end, in a temporary folder and on loopback: ship a real
 * web UI to three mirrors of which one is down, update a node, then replay the
 * incident. Exits 1 if anything went otherwise than told.
 */
import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packBadly, publishByHand } from './hand-made.ts';
import { comeBack, freePort, goDown, planMirror, serve, stopAll } from './mirrors.ts';
import { type DemoNode, makeNode, stopBackend } from './node.ts';
import { makeProject, type Project, workOn, writeConfig } from './project.ts';
import { act, chapter, closingTable, house, type Ran, run } from './stage.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'landfall-demo-')));
// The web server's user must get through to what is served.
chmodSync(folder, 0o755);
let node: DemoNode | undefined;

async function command(
  program: string,
  args: string[],
  cwd: string,
  hide: string[] = [],
): Promise<Ran> {
  const bin = join(house, program, 'bin', program);
  const shown = [program, ...args].filter((each) => !hide.includes(each)).join(' ');
  return run([bin, ...args], { cwd, shown: shown.replaceAll(folder, '…'), seconds: 180 });
}

/** What a visitor of the node gets: the release that the page names, or the status. */
async function visit(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
  const page = await response.text();
  if (response.status !== 200) return `status ${response.status}`;
  return /Release ([\d.]+)/.exec(page)?.[1] ?? 'another page';
}

async function play(): Promise<void> {
  const project: Project = makeProject(join(folder, 'project'));
  const release = (...args: string[]): Promise<Ran> => command('release', args, project.folder);
  const [north, south, east] = await Promise.all(
    ['north', 'south', 'east'].map((name) => planMirror(join(folder, 'mirrors'), name)),
  );
  if (north === undefined || south === undefined || east === undefined)
    throw new Error('no mirrors');
  const mirrors = [north, south, east];

  chapter(
    'Set-up',
    'a key, three directory mirrors of which one is down, a project with a real web UI',
  );
  const keygen = await release('keygen', '--no-password', '--out', 'release.key');
  const publicKey = /RW[A-Za-z0-9+/=]{54}/.exec(keygen.stdout)?.[0] ?? '';
  for (const mirror of mirrors) {
    await command('mirrors', ['init', mirror.path], folder);
  }
  goDown(east);
  await serve(north);
  await serve(south);
  writeConfig(project, { publicKey, mirrors, webUi: 'folder' });

  chapter('Ship', 'the first release goes to the two mirrors that are up; the third is reported');
  await act(
    'ship 1.0.0, one mirror of three down',
    'exit 4: on enough mirrors, not all',
    async () => {
      workOn(project, '1.0.0');
      return describeExit((await release('ship', '1.0.0')).code);
    },
  );
  await act('curl … | jq .version', '"1.0.0"', async () => {
    const url = `${north.url}releases/manifest.json`;
    const ran = await run(['sh', '-c', `curl -fsS ${url} | jq .version`], {
      cwd: folder,
      shown: `curl -fsS ${url} | jq .version`,
    });
    return ran.stdout.trim();
  });

  chapter('Update', 'a node installs 1.0.0 and takes 1.1.0; its own web UI says so');
  node = makeNode(join(folder, 'node'), { port: await freePort(), publicKey, mirrors });
  const { config, url } = node;
  const updater = (...args: string[]): Promise<Ran> =>
    command('updater', [...args, '--config', config], folder, ['--config', config]);
  await act('install on an empty node', 'serves 1.0.0', async () => {
    await updater('apply');
    return `serves ${await visit(url)}`;
  });
  await act('ship 1.1.0 and update', 'serves 1.1.0', async () => {
    workOn(project, '1.1.0');
    await release('ship', '1.1.0');
    await updater('apply');
    return `serves ${await visit(url)}`;
  });

  chapter(
    'The incident',
    'a tarball whose root directory is drwx------, as a build script once made it',
  );
  workOn(project, '1.2.0');
  const archive = packBadly(project);
  await act('build with a 0700 root', 'exit 3: refused by a gate', async () => {
    writeConfig(project, { publicKey, mirrors, webUi: 'archive' });
    const ran = await release('build', '1.2.0');
    writeConfig(project, { publicKey, mirrors, webUi: 'folder' });
    return describeExit(ran.code);
  });
  await act(
    'the same, validly signed and on the mirrors',
    'exit 3: refused by a gate, serves 1.1.0',
    async () => {
      await publishByHand(project, [north, south], '1.2.0', archive);
      const ran = await updater('apply');
      return `${describeExit(ran.code)}, serves ${await visit(url)}`;
    },
  );

  chapter(
    'A release that breaks the web UI',
    '1.3.0 answers 500 to everything; nobody is watching',
  );
  await act('update to a release that answers 500', 'rolled back, serves 1.1.0', async () => {
    workOn(project, '1.3.0', 'broken');
    await release('ship', '1.3.0');
    const ran = await updater('apply');
    const rolledBack = ran.code === 1 && /rolled back/i.test(ran.stdout + ran.stderr);
    return `${rolledBack ? 'rolled back' : describeExit(ran.code)}, serves ${await visit(url)}`;
  });
  await act('the timer comes round again', 'left alone, serves 1.1.0', async () => {
    const ran = await updater('once');
    const quarantined = /quarantine/i.test(ran.stdout + ran.stderr);
    return `${quarantined ? 'left alone' : describeExit(ran.code)}, serves ${await visit(url)}`;
  });

  chapter('By hand', 'the operator goes back from a good release, for a reason');
  await act('update to 1.4.0', 'serves 1.4.0', async () => {
    workOn(project, '1.4.0');
    await release('ship', '1.4.0');
    await updater('apply');
    return `serves ${await visit(url)}`;
  });
  await act('roll back by hand', 'serves 1.1.0', async () => {
    await updater('rollback', '--reason', 'customers ask for the old colours');
    return `serves ${await visit(url)}`;
  });
  await updater('status');

  chapter('The dead mirror comes back', 'running ship again completes it with the same bytes');
  await act('complete the third mirror', 'exit 0: done', async () => {
    await comeBack(east);
    const ran = await release('ship', '1.4.0');
    await command('mirrors', ['status'], project.folder);
    return describeExit(ran.code);
  });
  await act('verify everything as a stranger', 'exit 0: done', async () =>
    describeExit((await release('verify')).code),
  );
}

function describeExit(code: number): string {
  const words: Record<number, string> = {
    0: 'done',
    1: 'failed',
    2: 'wrong usage or configuration',
    3: 'refused by a gate',
    4: 'on enough mirrors, not all',
  };
  return `exit ${code}: ${words[code] ?? 'ended from outside'}`;
}

async function cleanUp(): Promise<void> {
  if (node !== undefined) stopBackend(node);
  await stopAll();
  if (process.env['LANDFALL_DEMO_KEEP'] === undefined)
    rmSync(folder, { recursive: true, force: true });
  else console.log(`\nKept ${folder}`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(1)));
}
try {
  await play();
} finally {
  await cleanUp();
}
if (closingTable()) console.log('\nEverything went as expected.');
else {
  console.log('\nNot everything went as expected: see above.');
  process.exitCode = 1;
}
