/** Heads that are not of what stands beside them: `mirrors audit` finds them, `mirrors sync` writes them anew. */
import { publicKeyBase64, type SecretKey } from '@landfall/minisign';
import { expect, it } from 'vitest';
import { digestOf, formatHead, HEAD_PATH } from '../../mirrors/head.ts';
import { type Outcome, runCommand } from '../harness/command.ts';
import { putHalt } from '../harness/halts.ts';
import { testKey } from '../harness/minisign-keys.ts';
import { mirrorFolder, put, type SmallRelease, smallRelease } from '../harness/mirror-folder.ts';

const INDEX = 'releases/manifest.json';

interface Finding {
  mirror: string;
  code: string;
  severity: string;
  message: string;
  fix: string;
}

function release(key: SecretKey): SmallRelease {
  return smallRelease([key], 4, (manifest) => {
    Object.assign(manifest, { expires: '2099-01-01T00:00:00Z', channel: 'alpha' });
  });
}

async function audit(
  key: SecretKey,
  folders: readonly string[],
): Promise<Outcome & { findings: Finding[] }> {
  const given = folders.flatMap((each) => ['--mirror', each]);
  const whom = ['--app', 'archipelago', '--key', publicKeyBase64(key.publicKey), '--json'];
  const outcome = await runCommand('mirrors', ['audit', ...given, ...whom]);
  const { findings } = JSON.parse(outcome.stdout) as { findings: Finding[] };
  return { ...outcome, findings };
}

it('finds a head that is wrong, and gives the command that writes it anew', async () => {
  const key = testKey();
  const published = release(key);
  const folders = [1, 2, 3, 4].map(() => mirrorFolder(published));
  const [, stale = '', odd = '', silent = ''] = folders;
  const told = (digest: string): Uint8Array =>
    formatHead(new Map([[INDEX, digest]])) ?? Buffer.alloc(0);
  const right = told(digestOf(published.bytes));
  put(stale, HEAD_PATH, told('0'.repeat(64)));
  put(odd, HEAD_PATH, '{}');
  for (const folder of folders) putHalt(folder, key, { halted: [] });
  put(silent, HEAD_PATH, right);
  const { code, findings } = await audit(key, folders);
  expect(code).toBe(4);
  expect(findings.map((each) => [each.code, each.severity, each.message])).toEqual([
    ['HEAD_WRONG', 'error', expect.stringContaining(`is not of the '${INDEX}' beside it`)],
    ['HEAD_WRONG', 'error', `'${HEAD_PATH}' is not a head`],
    ['HEAD_WRONG', 'error', expect.stringContaining("the 'releases/halt.json' beside it")],
  ]);
  for (const { fix } of findings) {
    const [program = '', ...args] = fix.split(' ');
    expect(program).toBe('mirrors');
    expect((await runCommand('mirrors', args)).code).toBe(0);
  }
  expect(await audit(key, folders)).toMatchObject({ code: 0, findings: [] });
});
