/**
 * One run of `release ship` to three Gitea servers that fail by chance, killed
 * by chance and started again until it says that it is done. Whatever a
 * request changes is looked at before it is answered: from the first moment at
 * which a server's index names a release, it must serve all of it.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '@landfall/errors';
import { artifactFiles, parseManifest } from '@landfall/manifest';
import { startCommand } from './command.ts';
import { contentsOf, type GiteaProject, makeGiteaProject } from './gitea-project.ts';
import { readBranchFile } from './gitea-stand-in/contents.ts';
import type { GiteaStandIn } from './gitea-stand-in/server.ts';
import { seededRandom } from './random.ts';
import { randomFaults } from './random-faults.ts';

const NAMES = ['north', 'south', 'west'];
/** Of the requests; of those that change something twice as many. */
const MOST_FAULTS = 0.25;
const MOST_KILLS = 3;
/** Ships while faults go on, besides the killed ones. */
const ROUGH_SHIPS = 2;
/** Ships without faults until one says that everything is done. */
const CALM_SHIPS = 3;

export interface FaultRun {
  seed: number;
  ships: number;
  kills: number;
  /** By kind. */
  faults: Map<string, number>;
  /** How often a server was looked at. */
  looks: number;
  /** How often it had an index then. */
  indexes: number;
  /** What went wrong; empty when nothing did. */
  problems: string[];
}

/** Runs it. Never throws for what goes wrong with the release: that is in `problems`. */
export async function shipUnderFaults(seed: number): Promise<FaultRun> {
  const random = seededRandom(seed);
  const run: FaultRun = {
    seed,
    ships: 0,
    kills: 0,
    faults: new Map(),
    looks: 0,
    indexes: 0,
    problems: [],
  };
  const made = await makeGiteaProject(NAMES);
  const scratch = mkdtempSync(join(tmpdir(), 'landfall-test-'));
  const site: GiteaProject = { ...made, env: { ...made.env, TMPDIR: scratch } };
  try {
    const noise = Buffer.from(Array.from({ length: 150_000 }, () => Math.floor(random() * 256)));
    site.project.write('dist/assets/noise.bin', noise);
    await shipUntilDone(site, run, random);
    compareServers(site, run);
  } catch (error) {
    // Such as a ship that does not end.
    run.problems.push(messageOf(error));
  } finally {
    await site.remove();
    endGit(scratch);
    rmSync(scratch, { recursive: true, force: true });
  }
  return run;
}

/** What a ship that was killed had started may wait for an answer for good. */
function endGit(scratch: string): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const [program, repository = ''] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      if (program !== 'git' || !repository.startsWith(`--git-dir=${scratch}/`)) continue;
      // The leader of a group: its helpers go with it.
      process.kill(-Number(pid), 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
}

async function shipUntilDone(
  site: GiteaProject,
  run: FaultRun,
  random: () => number,
): Promise<void> {
  const sources = [...site.servers].map(([name, server]) => {
    const faults = randomFaults(seededRandom(random() * 2 ** 32), random() * MOST_FAULTS);
    server.hooks.choose = faults.choose;
    server.hooks.handled = (method) => {
      if (method !== 'GET' && method !== 'HEAD') look(name, server, run);
    };
    return faults;
  });
  const kills = Math.floor(random() * (MOST_KILLS + 1));
  for (let count = 0; count < kills; count += 1) await shipAndKill(site, run, random);
  let code: number | null = 1;
  for (let count = 0; count < ROUGH_SHIPS && code !== 0; count += 1) code = await ship(site, run);
  for (const faults of sources) {
    faults.stop();
    for (const [kind, count] of faults.counts) {
      run.faults.set(kind, (run.faults.get(kind) ?? 0) + count);
    }
  }
  // Also after a success: what is done must be seen to be done.
  code = 1;
  for (let count = 0; count < CALM_SHIPS && code !== 0; count += 1) code = await ship(site, run);
  if (code !== 0) run.problems.push(`the last ship ended with ${code}`);
}

async function shipAndKill(site: GiteaProject, run: FaultRun, random: () => number): Promise<void> {
  const running = startCommand('release', ['ship'], { cwd: site.project.directory, env: site.env });
  run.ships += 1;
  // A ship of this size takes about two seconds where nothing goes wrong and nothing else runs.
  await Promise.race([sleep(300 + random() * 3000), running.done]);
  if (running.child.exitCode === null) {
    running.child.kill('SIGKILL');
    run.kills += 1;
  }
  await running.done;
}

async function ship(site: GiteaProject, run: FaultRun): Promise<number | null> {
  run.ships += 1;
  const { code, stdout, stderr } = await site.release(['ship'], {
    timeoutMs: 280_000,
    env: site.env,
  });
  if (code === 2 || code === 3) run.problems.push(`a ship ended with ${code}: ${stderr}${stdout}`);
  return code;
}

/** Notes what the server's index names and the server does not serve. */
function look(name: string, server: GiteaStandIn, run: FaultRun): void {
  run.looks += 1;
  const repository = server.repository();
  const { releases } = repository;
  const file = readBranchFile(repository, repository.branch, 'releases/manifest.json');
  if (file === undefined) return;
  run.indexes += 1;
  const manifest = parseManifest(file.bytes);
  const release = releases.find(({ tag, draft }) => tag === `v${manifest.version}` && !draft);
  for (const artifact of artifactFiles(manifest)) {
    // A download by name serves the first of that name.
    const asset = release?.assets.find((each) => each.name === artifact.file);
    const found = asset === undefined ? 'nothing' : digestOf(server.state.attachment(asset.uuid));
    if (found === artifact.sha256) continue;
    run.problems.push(`'${name}' names ${artifact.file} and serves ${found}`);
  }
}

function digestOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** All servers hold the same: one public release, each asset once, one head. */
function compareServers(site: GiteaProject, run: FaultRun): void {
  for (const [name, server] of site.servers) {
    const before = run.indexes;
    look(name, server, run);
    if (run.indexes === before) run.problems.push(`'${name}' has no index`);
  }
  const [first, ...others] = [...site.servers.values()].map((server) => contentsOf(server));
  const names = first?.assets['v1.0.0']?.map((name) => name.split(' ')[0]);
  if (names?.join() !== 'server-1.0.0-linux-x64.zst,web-ui-1.0.0.tar.zst') {
    run.problems.push(`assets: ${JSON.stringify(first)}`);
  }
  for (const other of others) {
    if (JSON.stringify(other) === JSON.stringify(first)) continue;
    run.problems.push(`servers differ: ${JSON.stringify(first)} and ${JSON.stringify(other)}`);
  }
}

/** `name 3, other 2`: kinds with how often, in order. */
export function describeCounts(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ');
}
