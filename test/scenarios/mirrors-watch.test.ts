/** `mirrors status --watch`: what changes at a mirror is seen, until Ctrl-C. */
import { spawn } from 'node:child_process';
import { publicKeyBase64, type SecretKey } from '@landfall/minisign';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  cleanEnvironment,
  launcherOf,
  runCommand,
  type Running,
  startCommand,
} from '../harness/command.ts';
import { startFaultyMirror } from '../harness/faulty-mirror.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { fillMirror, mirrorFolder, smallRelease } from '../harness/mirror-folder.ts';

function argsFor(key: SecretKey, folders: readonly string[]): string[] {
  const given = folders.flatMap((each) => ['--mirror', each]);
  const whom = ['--app', 'archipelago', '--key', publicKeyBase64(key.publicKey)];
  return ['status', '--watch', '--every', '100ms', ...given, ...whom];
}

/** Waits until the output so far satisfies `isThere`. */
async function until(
  running: Pick<Running, 'output'>,
  isThere: (text: string) => boolean,
): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!isThere(running.output().stdout)) {
    if (performance.now() > deadline) throw new Error(`not seen in:\n${running.output().stdout}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('mirrors status --watch', () => {
  it('prints blocks with the time where there is no terminal, and ends with the last state', async () => {
    const key = testKey();
    const folders = [mirrorFolder(smallRelease([key], 4)), mirrorFolder(smallRelease([key], 3))];
    const running = startCommand('mirrors', argsFor(key, folders));
    await until(running, (text) => (text.match(/^newest: 1\.0\.4/gm)?.length ?? 0) >= 2);
    expect(running.output().stdout).toMatch(/^\d{4}-\d\d-\d\dT[\d:]+Z\nNAME /);
    expect(running.output().stdout).toMatch(/ 1\.0\.3 +3 +1 +0\/1 /);
    for (const each of folders) fillMirror(each, smallRelease([key], 5));
    await until(running, (text) => text.includes('newest: 1.0.5'));
    await until(running, (text) =>
      / 1\.0\.5 +5 +0 +1\/1 .*\n.* 1\.0\.5 +5 +0 +1\/1 /.test(text.slice(-1000)),
    );
    running.child.kill('SIGINT');
    expect(await running.done).toMatchObject({ code: 0, signal: null, stderr: '' });
    expect(running.output().stdout).not.toContain('\u001B');
  });

  it('prints one line of JSON for each look', async () => {
    const key = testKey();
    const running = startCommand('mirrors', [
      ...argsFor(key, [mirrorFolder(smallRelease([key], 4)), mirrorFolder()]),
      '--json',
    ]);
    await until(running, (text) => text.split('\n').length > 2);
    running.child.kill('SIGTERM');
    const { code, stdout } = await running.done;
    expect(code).toBe(1);
    const looks = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    for (const look of looks) {
      expect(look).toMatchObject({
        at: expect.stringMatching(/Z$/),
        newest: { sequence: 4 },
        mirrors: [{ good: true }, { good: false }],
      });
    }
  });

  it('draws in place on a terminal, and ends with Ctrl-C', async () => {
    const key = testKey();
    const folder = mirrorFolder(smallRelease([key], 4));
    const command = [launcherOf('mirrors'), ...argsFor(key, [folder])].join(' ');
    // `script` gives the command a terminal of its own.
    const child = spawn(
      'script',
      ['--quiet', '--return', '--command', `stty cols 200 rows 40; exec ${command}`, '/dev/null'],
      { env: cleanEnvironment() },
    );
    onTestFinished(() => void child.kill('SIGKILL'));
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    const done = new Promise<number | null>((resolve) => child.once('close', resolve));
    await until(
      { output: () => ({ stdout, stderr: '' }) },
      (text) => text.split('\u001B[H').length > 3,
    );
    const frames = stdout.split('\u001B[H');
    expect(frames[0]).toContain('\u001B[2J');
    const [header = ''] = frames[1]?.split('\r\n') ?? [];
    expect([header.startsWith('NAME '), header.endsWith('\u001B[K')]).toEqual([true, true]);
    expect(frames[1]).toMatch(/ 1\.0\.4 +4 +0 +1\/1 /);
    expect(frames[1]).toContain('Ctrl-C ends it');
    child.stdin.write('\u0003');
    expect(await done).toBe(0);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'ends with %s while a mirror keeps it waiting for an artifact',
    async (signal) => {
      const key = testKey();
      const server = await startFaultyMirror(mirrorFolder(smallRelease([key], 4)));
      onTestFinished(() => server.stop());
      server.rules.push({ path: /download/, fault: { kind: 'hold', ms: 60_000 } });
      const args = ['--mirror', server.url, '--app', 'archipelago', '--key'];
      const running = startCommand('mirrors', [
        ...['status', '--watch', ...args],
        publicKeyBase64(key.publicKey),
      ]);
      await vi.waitFor(
        () => expect(server.requests.map(({ url }) => url).join()).toContain('download'),
        { timeout: 10_000 },
      );
      const asked = performance.now();
      running.child.kill(signal);
      await running.done;
      expect(performance.now() - asked).toBeLessThan(5000);
    },
  );

  it('ends when nobody reads it any more', async () => {
    const key = testKey();
    const running = startCommand('mirrors', argsFor(key, [mirrorFolder(smallRelease([key], 4))]));
    await until(running, (text) => text.includes('newest: 1.0.4'));
    running.child.stdout?.destroy();
    expect(await running.done).toMatchObject({ code: 0, signal: null, stderr: '' });
  });

  it.each(['soon', '0s'])('refuses --every %s', async (every) => {
    const { code, stderr } = await runCommand('mirrors', ['status', '--watch', '--every', every]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining(`--every: expected a duration such as 5s, found '${every}'`),
    ]);
  });
});
