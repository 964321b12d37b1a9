/** Halting a release and resuming it, from the maintainer's command to the nodes. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { generateKeyPair, publicKeyBase64, serializeSecretKey } from '@landfall/minisign';
import { expect, it } from 'vitest';
import { filesOf, unplug } from '../harness/mirror-content.ts';
import { makeNode } from '../harness/node.ts';
import { type Project, useProject, writeWebUi } from '../harness/project.ts';

interface HaltFile {
  serial: number;
  halted: { version: string; reason: string }[];
}
const haltOn = (site: Project, mirror: string): HaltFile =>
  JSON.parse(readFileSync(join(site.mirror(mirror), 'releases/halt.json'), 'utf8')) as HaltFile;

it('stops a release on every node at its next check, and lets it go on', async () => {
  const site = await useProject({ configure: (config) => config.components.splice(1) });
  expect(await site.release(['ship', '1.0.0'])).toMatchObject({ code: 0 });
  const mirrors = [site.mirror('oslo'), site.mirror('lima')];
  const node = await makeNode({ keys: [site.publicKey], mirrors });
  const canary = await makeNode({ keys: [site.publicKey], mirrors: [site.mirror('kyoto')] });
  expect(await node.updater(['once'])).toMatchObject({ code: 0 });
  writeWebUi(site, 'two');
  expect(await site.release(['ship', '1.1.0'])).toMatchObject({ code: 0 });
  expect(await canary.updater(['once'])).toMatchObject({ code: 0 });

  expect(await site.release(['halt', '1.1.0'])).toMatchObject({ code: 2 });
  const nothing = filesOf(site.root);
  const halt = ['halt', '1.1.0', '--reason', 'page is blank'];
  const dry = await site.release([...halt, '--dry-run']);
  expect(dry.stdout).toBe(
    "dry run, nothing was changed: serial 1 of channel 'stable' halts 1.1.0\n",
  );
  expect(filesOf(site.root)).toEqual(nothing);

  const plugIn = unplug(site.mirror('lima'));
  const partial = await site.release(halt);
  expect(partial).toMatchObject({
    code: 4,
    stdout: expect.stringContaining('on 2 of 3 mirrors') as string,
  });
  plugIn();
  const refused = await node.updater(['once']);
  expect(refused, 'one mirror that says it is enough').toMatchObject({
    code: 3,
    stdout: expect.stringMatching(/^not installed: 1\.1\.0 was halted .*: page is blank/) as string,
    stderr: expect.stringContaining("'mirror-2': is behind with what is halted") as string,
  });
  expect(await node.updater(['apply', '1.1.0'])).toMatchObject({ code: 3 });
  expect(node.page()).toContain('one');

  expect(await canary.updater(['once'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('what runs is halted, and stays: 1.1.0') as string,
  });
  expect(canary.page()).toContain('two');
  const status = (await canary.updater(['status'])).stdout;
  expect(status).toMatch(/WARNING: 1\.1\.0 was halted .*: page is blank\. It runs here, and stays/);
  expect(await canary.json(['status'])).toMatchObject({ halted: { version: '1.1.0' } });

  expect(await site.release(halt), 'the same bytes on the third').toMatchObject({
    code: 0,
    stdout: "serial 1 of channel 'stable' halts 1.1.0, on 3 of 3 mirrors\n",
  });
  // No mirror says it any more; the node knows it all the same.
  for (const each of mirrors) rmSync(join(each, 'releases/halt.json'));
  expect(await node.updater(['once'])).toMatchObject({ code: 3 });
  const resumed = await site.release(['resume', '1.1.0', '--json']);
  expect(JSON.parse(resumed.stdout)).toMatchObject({ serial: 2, halted: [], complete: 3 });
  expect(await node.updater(['once'])).toMatchObject({ code: 0 });
  expect(node.page()).toContain('two');
  expect((await node.updater(['history'])).stdout).toMatch(
    /halted +1\.1\.0 +serial 1\n.*halted +nothing +serial 2/s,
  );
  // A damaged file is no halt that nobody sees: the mirror is not gone by.
  writeFileSync(join(site.mirror('oslo'), 'releases/halt.json'), '{}');
  const doubted = await node.updater(['check']);
  expect(doubted.code).toBe(0);
  expect(await node.json(['check'])).toMatchObject({
    mirrors: [
      { mirror: 'mirror-1', problem: expect.stringContaining('cannot be gone by') as string },
    ],
  });
});

it('is finished after a kill with the same bytes, and waits for the signatures it needs', async () => {
  const second = generateKeyPair();
  const site = await useProject({
    mirrors: ['oslo'],
    configure: (config) => {
      config.keys.public?.push(publicKeyBase64(second.publicKey));
      config.keys.threshold = 2;
    },
  });
  const halt = ['halt', '1.1.0', '--reason', 'page is blank'];
  for (const point of ['halt-written', 'sign-signature-written']) {
    const killed = await site.release(halt, { env: { LANDFALL_CRASH_AT: point } });
    expect(killed.signal, point).toBe('SIGKILL');
  }
  const draft = join(site.directory, '.release/halts/stable/halt-1.json');
  const bytes = readFileSync(draft);
  const waiting = await site.release(halt);
  expect(waiting.code).toBe(3);
  expect(waiting.stdout).toContain('release sign halt-1.json --key FILE');
  expect((await site.release(['resume', '1.0.0'])).stdout).toContain('nothing to do');
  const listed = "halt file 1 of channel 'stable' waits for 1 more signature, 1 of 2 are there";
  expect((await site.release(['status'])).stdout).toContain(`${listed}: ${draft}\n`);
  // What else lies there, or is damaged, hides nothing.
  site.write('.release/halts/.DS_Store', 'x');
  site.write('.release/halts/beta/halt-1.json', '');
  const odd = await site.release(['status']);
  expect(odd).toMatchObject({ code: 0 });
  expect(odd.stdout).toContain(`${listed}: ${draft}\n`);
  expect(odd.stdout).toContain("halt files of channel 'beta' cannot be read: ");
  rmSync(join(site.directory, '.release/halts/beta'), { recursive: true });

  site.write('keys/second.key', await serializeSecretKey(second, { password: undefined }), 0o600);
  const signed = await site.release(['sign', draft, '--key', 'keys/second.key']);
  expect(signed.stderr).toContain('halt file 1 of archipelago (channel stable)');
  expect(signed.stderr).toContain(': page is blank');
  const killed = await site.release(halt, { env: { LANDFALL_CRASH_AT: 'halt-published' } });
  expect(killed.signal).toBe('SIGKILL');
  expect(await site.release(halt)).toMatchObject({ code: 0 });
  expect((await site.release(['status'])).stdout).not.toContain('halt file');
  // One that lacks signatures here, and was published by others, waits for nobody.
  for (const name of readdirSync(dirname(draft))) {
    if (name.endsWith('.minisig')) rmSync(join(dirname(draft), name));
  }
  expect((await site.release(['status'])).stdout).not.toContain('halt file');
  expect(readFileSync(join(site.mirror('oslo'), 'releases/halt.json'))).toEqual(bytes);
  expect(haltOn(site, 'oslo')).toMatchObject({
    serial: 1,
    halted: [{ version: '1.1.0', reason: 'page is blank' }],
  });
});

it('refuses a version that nobody ever had, unless a mirror that is away may have it', async () => {
  const site = await useProject();
  expect(await site.release(['ship', '1.0.0'])).toMatchObject({ code: 0 });
  const halt = ['halt', '9.9.9', '--reason', 'page is blank'];
  const before = filesOf(site.root);
  const refused = await site.release(halt);
  expect(refused.stderr).toContain("channel 'stable' never had 9.9.9: expected 1.0.0 or one");
  expect(refused.code).toBe(2);
  expect(filesOf(site.root)).toEqual(before);
  expect(await site.release(['halt', '0.9.0', '--reason', 'old'])).toMatchObject({ code: 0 });
  const plugIn = unplug(site.mirror('lima'));
  expect(await site.release(halt)).toMatchObject({ code: 4 });
  plugIn();
  expect(await site.release(halt), 'is gone on with').toMatchObject({ code: 0 });
  expect(haltOn(site, 'lima').halted.map(({ version }) => version)).toEqual(['0.9.0', '9.9.9']);
});
