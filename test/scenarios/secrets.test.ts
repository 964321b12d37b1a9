/** Secrets that were planted are looked for wherever anything was written, printed, handed on or left in memory. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readdirSync } from 'node:fs';
import { readFileSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { generateKeyPair, serializeSecretKey } from '@landfall/minisign';
import { describe, expect, it, onTestFinished } from 'vitest';
import { encryptKey } from '../harness/bad-input.ts';
import {
  checkoutLauncherOf,
  cleanEnvironment,
  type Outcome,
  runCommand,
  startCommand,
} from '../harness/command.ts';
import { startGiteaStandIn } from '../harness/gitea-stand-in/server.ts';
import { CHEAP } from '../harness/minisign-keys.ts';
import { makeNode } from '../harness/node.ts';
import { type Project, useProject } from '../harness/project.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const PASSWORD = 'correct horse';
const TOKEN = '5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2';
const WRONG = ['planted wrong password', 'bad0bad0bad0bad0bad0bad0bad0bad0bad0bad0'] as const;
const REPOSITORY = 'isles/archipelago';
const KEY_PROCESS = fileURLToPath(new URL('../harness/key-process.ts', import.meta.url));

/** A secret as it is, and as it stands in headers, addresses and dumps. */
function spellings(secret: string): string[] {
  const forms = [secret, `landfall:${secret}`].flatMap((text) => [
    text,
    Buffer.from(text).toString('base64'),
    Buffer.from(text).toString('hex'),
  ]);
  return [...forms, encodeURIComponent(secret)];
}

/** Files below `folder` that hold one of these texts. */
function filesWith(folder: string, texts: readonly string[]): string[] {
  const patterns = texts.flatMap((text) => ['-e', text]);
  return spawnSync('grep', ['-rlaF', ...patterns, folder], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter((line) => line !== '');
}

/** A folder for the PATH whose git writes down how it is called and what it is told, and is git all the same. */
function watchedGit(log: string): string {
  const folder = temporaryFolder();
  const own = spawnSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).stdout.trim();
  const git = join(folder, 'git');
  writeFileSync(git, `#!/bin/sh\nprintf '%s\\n' "$*" >>'${log}'\nexec '${own}' "$@"\n`);
  chmodSync(git, 0o755);
  return folder;
}

it('are in nothing that the commands print or write, hand on or call programs with', async () => {
  const server = await startGiteaStandIn({ repository: REPOSITORY, isPrivate: true, token: TOKEN });
  onTestFinished(() => server.close());
  const site = await useProject({
    mirrors: [],
    configure: (config) => {
      config.mirrors.push({
        type: 'gitea',
        name: 'north',
        url: server.url,
        repository: REPOSITORY,
        token: { env: 'WRITE' },
        readToken: { env: 'READ' },
      });
      // What a build sees of its surroundings, in a log that stays.
      const look = 'env; cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " "';
      Object.assign(config.components[0] ?? {}, { before: [['sh', '-c', look]] });
    },
  });
  await encryptKey(site);
  const calls = join(site.root, 'calls.log');
  const PATH = `${watchedGit(calls)}:${process.env['PATH']}`;
  const env = { PATH, LANDFALL_KEY_PASSWORD: PASSWORD, WRITE: TOKEN, READ: TOKEN };
  const onNode = { PATH, READ: TOKEN };
  const [wrongPassword, wrongToken] = WRONG;
  const node = await makeNode({
    keys: [site.publicKey],
    mirrors: [],
    tables: [
      '[[mirrors]]',
      'type = "gitea"',
      `url = "${server.url}"`,
      `repository = "${REPOSITORY}"`,
      'readToken = { env = "READ" }',
      '[[checks]]',
      'name = "looks"',
      `command = ["/bin/sh", "-c", "env >>${join(site.root, 'check.log')}; env; exit 1"]`,
    ],
  });
  const cwd = site.directory;
  const shown: Outcome[] = [
    await site.release(['ship', '--debug'], {
      env: { ...env, LANDFALL_KEY_PASSWORD: wrongPassword },
    }),
    await site.release(['ship', '--debug'], {
      env: { ...env, WRITE: wrongToken, READ: wrongToken },
    }),
    await site.release(['ship', '--json'], { env: { ...env, WRITE: wrongToken } }),
    await site.release(['ship'], { env: { ...env, LANDFALL_CRASH_AT: 'ship-uploaded' } }),
    await site.release(['ship', '--debug'], { env }),
    await site.release(['verify', '--json'], { env }),
    await runCommand('mirrors', ['audit', '--json', '--debug'], { cwd, env }),
    await runCommand('mirrors', ['status', '--debug'], { cwd, env: { ...env, READ: wrongToken } }),
    await node.updater(['apply', '--debug'], { env: { PATH, READ: wrongToken } }),
    await node.updater(['apply', '--debug'], { env: onNode }),
    await node.updater(['status', '--json'], { env: onNode }),
    await node.updater(['history'], { env: onNode }),
  ];
  // It was shipped, and the check on the node ran and refused.
  expect(shown.map(({ code }) => code)).toEqual([2, 1, 1, null, 0, 0, 0, 1, 1, 3, 0, 0]);
  const secrets = [PASSWORD, TOKEN, ...WRONG].flatMap(spellings);
  for (const { stdout, stderr } of shown) {
    for (const secret of secrets) expect(stdout + stderr).not.toContain(secret);
  }
  // That what was searched was written at all.
  expect(filesWith(site.root, ['LANDFALL_VERSION='])).not.toEqual([]);
  expect(readFileSync(join(site.root, 'check.log'), 'utf8')).toContain('PATH=');
  expect(readFileSync(calls, 'utf8')).toContain('push');
  for (const folder of [site.root, node.folder]) expect(filesWith(folder, secrets)).toEqual([]);
  for (const { url } of server.requests) expect(url).not.toContain(TOKEN);
});

it('are in no diagnostic report, and in no core file', async () => {
  const site = await useProject({ mirrors: ['oslo'] });
  Object.assign(site.config.components[0] ?? {}, {
    before: [['sh', '-c', 'touch building; exec sleep 60']],
  });
  site.writeConfig();
  const reports = join(site.root, 'reports');
  mkdirSync(reports);
  const NODE_OPTIONS = `--report-on-signal --report-signal=SIGUSR2 --report-directory=${reports}`;
  const { child, done } = startCommand('release', ['build'], {
    launcher: checkoutLauncherOf('release'),
    cwd: site.directory,
    env: { NODE_OPTIONS, LANDFALL_KEY_PASSWORD: PASSWORD, WRITE: TOKEN },
  });
  while (!existsSync(join(site.directory, 'building'))) await sleep(20);
  const limits = readFileSync(`/proc/${child.pid}/limits`, 'utf8');
  expect(limits).toMatch(/Max core file size +0 +0 /);
  child.kill('SIGUSR2');
  while (readdirSync(reports).length === 0) await sleep(20);
  child.kill('SIGTERM');
  await done;
  expect(filesWith(reports, ['javascriptStack'])).toHaveLength(1);
  expect(filesWith(reports, [PASSWORD, TOKEN])).toEqual([]);
});

describe('a password file', () => {
  it.each([0o640, 0o604, 0o660])('that others may read is refused (%o)', async (mode) => {
    const site: Project = await useProject({ mirrors: ['oslo'] });
    await encryptKey(site);
    const file = join(site.root, 'password');
    writeFileSync(file, `${PASSWORD}\n`);
    chmodSync(file, mode);
    const env = { LANDFALL_KEY_PASSWORD_FILE: file };
    const refused = await site.release(['ship'], { env });
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(`expected mode 0600, found 0${mode.toString(8)}`);
    chmodSync(file, 0o400);
    expect(await site.release(['ship'], { env })).toMatchObject({ code: 0 });
  });
});

/** How often each needle stands in the writable memory of a process. */
function countInMemory(pid: number, needles: readonly Buffer[]): number[] {
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const counts = needles.map(() => 0);
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      if (from === undefined || to === undefined) continue;
      const [start, end] = [Number.parseInt(from, 16), Number.parseInt(to, 16)];
      const bytes = Buffer.allocUnsafeSlow(Math.min(end - start, 1 << 30));
      const found = bytes.subarray(0, readMemory(memory, bytes, start));
      for (const [index, needle] of needles.entries()) {
        for (let at = found.indexOf(needle); at >= 0; at = found.indexOf(needle, at + 1)) {
          counts[index] = (counts[index] ?? 0) + 1;
        }
      }
    }
  } finally {
    closeSync(memory);
  }
  return counts;
}

/** Some mappings cannot be read, like those of devices. */
function readMemory(memory: number, bytes: Buffer, start: number): number {
  try {
    return readSync(memory, bytes, 0, bytes.length, start);
  } catch {
    return 0;
  }
}

describe('a secret key in memory', () => {
  it.each([undefined, PASSWORD])(
    'is gone when it is destroyed (password: %s)',
    async (password) => {
      const key = generateKeyPair();
      onTestFinished(() => key.destroy());
      const seed = Buffer.from(key.copySeed());
      const text = await serializeSecretKey(key, { password, ...CHEAP });
      const file = join(temporaryFolder(), 'release.key');
      writeFileSync(file, text, { mode: 0o600 });
      // The half line in which an unencrypted key's seed stands.
      const line = Buffer.from((text.split('\n')[1] ?? '').slice(84, 120));
      const count = async (env: Record<string, string>): Promise<number[]> => {
        const args = [
          '--expose-gc',
          KEY_PROCESS,
          file,
          ...(password === undefined ? [] : [password]),
        ];
        const child = spawn(process.execPath, args, { env: cleanEnvironment(env) });
        await once(child.stdout, 'data');
        const found = countInMemory(child.pid ?? 0, [seed, line]);
        child.stdin.end();
        await once(child, 'close');
        return found;
      };
      expect(await count({ KEEP_KEY: '1' })).not.toEqual([0, 0]);
      expect(await count({})).toEqual([0, 0]);
    },
  );
});
