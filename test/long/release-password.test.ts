/** Passwords of keys on a real terminal: asked for, never shown. `script` gives the terminal. */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readLock } from '@landfall/durable';
import { generateKeyPair, publicKeyBase64, serializeSecretKey } from '@landfall/minisign';
import { expect, it } from 'vitest';
import { encryptKey } from '../harness/bad-input.ts';
import { cleanEnvironment, launcherOf } from '../harness/command.ts';
import { manifestOn } from '../harness/mirror-content.ts';
import { type Project, useProject } from '../harness/project.ts';

/** Of scrypt, for keys that guard nothing. */
const CHEAP = { opslimit: 32_768, memlimit: 16_777_216 };

/** Runs `release` on a terminal and types each answer, or does what it says, when its question has come. */
async function onTerminal(
  site: Project,
  command: string,
  answers: readonly [question: string, typed: string | (() => void)][],
): Promise<{ code: number | null; shown: string }> {
  const child = spawn(
    '/usr/bin/script',
    ['-qec', `${launcherOf('release')} ${command}`, '/dev/null'],
    {
      cwd: site.directory,
      env: cleanEnvironment({ TERM: 'xterm' }),
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  let from = 0;
  for (const [question, typed] of answers) {
    while (!shown.slice(from).includes(question)) await sleep(10);
    from = shown.length;
    // Until it reads, the terminal itself would show what is typed.
    await sleep(50);
    if (typeof typed === 'string') child.stdin.write(typed);
    else typed();
  }
  const code = await ended;
  child.stdin.end();
  return { code, shown };
}

it('asks for the password of an encrypted key, and does not show it', async () => {
  const site = await useProject();
  await encryptKey(site);
  const { code, shown } = await onTerminal(site, 'ship', [
    ["password of 'keys/release.key': ", 'correct horsf\u007fe\r'],
  ]);
  expect(code).toBe(0);
  expect(shown).not.toContain('horse');
  expect(manifestOn(site.mirror('oslo'))?.version).toBe('1.0.0');
});

it('does not ask when the release is signed already', async () => {
  const site = await useProject();
  await site.release(['ship'], { env: { LANDFALL_CRASH_AT: 'ship-signed' } });
  await encryptKey(site);
  expect(await onTerminal(site, 'ship', [])).toMatchObject({ code: 0 });
});

it('ends at control-C, and gives the terminal and the lock back', async () => {
  const site = await useProject();
  await encryptKey(site);
  const { code, shown } = await onTerminal(site, 'ship', [['password of', '\u0003']]);
  expect(code).toBe(1);
  expect(shown).toContain('interrupted');
  const env = { LANDFALL_KEY_PASSWORD: 'correct horse' };
  expect(await site.release(['ship'], { env })).toMatchObject({ code: 0 });
});

it('ends at SIGTERM, and gives the lock back', async () => {
  const site = await useProject();
  await encryptKey(site);
  const { code, shown } = await onTerminal(site, 'ship', [
    [
      'password of',
      () => {
        const path = join(site.directory, '.release/lock');
        process.kill(readLock(path)?.pid ?? 0, 'SIGTERM');
      },
    ],
  ]);
  expect(code).toBe(1);
  expect(shown).toContain('interrupted');
  const env = { LANDFALL_KEY_PASSWORD: 'correct horse' };
  expect(await site.release(['ship'], { env })).toMatchObject({ code: 0 });
});

it.each([
  ['at once', "printf 'correct horse\\n'"],
  ['after a while, in two parts', "sleep 0.5; printf 'correct '; sleep 0.5; printf 'horse\\n'"],
])('takes a password that a pipe gives %s', async (_, writer) => {
  const site = await useProject();
  await encryptKey(site);
  const second = generateKeyPair();
  const text = await serializeSecretKey(second, { password: 'correct horse', ...CHEAP });
  site.write('keys/second.key', text, 0o600);
  site.config.keys.secret?.push('keys/second.key');
  site.config.keys.public?.push(publicKeyBase64(second.publicKey));
  site.config.keys.threshold = 2;
  site.writeConfig();
  const command = `LANDFALL_KEY_PASSWORD_FILE=<(${writer}) ${launcherOf('release')} ship`;
  const { status, stderr } = spawnSync('bash', ['-c', command], {
    cwd: site.directory,
    env: cleanEnvironment(),
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
  expect(manifestOn(site.mirror('oslo'))?.version).toBe('1.0.0');
});

it('makes a key with a password typed twice', async () => {
  const site = await useProject();
  const typed = 'a new password\r';
  const made = await onTerminal(site, 'keygen --out keys/second.key', [
    ['new password of', typed],
    ['once more: ', typed],
  ]);
  expect(made.code).toBe(0);
  expect(made.shown).not.toContain('a new password');
  expect(made.shown).toMatch(/RW[A-Za-z0-9+/]{54}/);
  const other = await onTerminal(site, 'keygen --out keys/third.key', [
    ['new password of', typed],
    ['once more: ', 'another\r'],
  ]);
  expect(other.code).toBe(2);
  expect(other.shown).toContain('the two passwords differ');
  const publicKey = /RW[A-Za-z0-9+/]{54}/.exec(made.shown)?.[0] ?? '';
  site.config.keys = { secret: [join('keys', 'second.key')], public: [publicKey] };
  site.writeConfig();
  const env = { LANDFALL_KEY_PASSWORD: 'a new password' };
  expect(await site.release(['ship'], { env })).toMatchObject({ code: 0 });
});
