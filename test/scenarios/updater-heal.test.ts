/**
 * What runs is kept as it was installed: whatever a hand, a tool or a disk does
 * to it is found and put right, from this disk or from a mirror, without a
 * moment with half a file; and not fought over for ever.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digest, runningNode, spoil, ui } from '../harness/heal-scene.ts';

describe('whatever was done to what runs', () => {
  it('is undone by the next tick, from a mirror; what is foreign is kept aside', async () => {
    const { node } = await runningNode();
    const before = digest(node);
    spoil(node);
    const looked = (await node.json(['heal', '--dry-run'])) as { findings: { path: string }[] };
    expect(looked.findings.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['web-ui', 'web-ui/index.html', 'web-ui/uploaded.txt']),
    );
    expect(existsSync(ui(node, 'uploaded.txt')), '--dry-run only looks').toBe(true);

    const once = await node.updater(['once']);
    expect(once.code, once.stderr).toBe(0);
    expect(once.stderr).toMatch(/1\.0\.0: restored 'web-ui.* and \d+ more; what was there is in /);
    expect(digest(node)).toBe(before);
    expect(statSync(join(node.root, 'current/')).mode & 0o7777).toBe(0o755);
    const [folder = ''] = readdirSync(join(node.root, 'aside'));
    const kept = join(node.root, 'aside', folder);
    const aside = join(kept, 'web-ui');
    const foreign = `'web-ui/cache', 'web-ui/uploaded.txt'`;
    expect(once.stderr).toContain(`1.0.0: not of this release, and moved to ${kept}: ${foreign}\n`);
    expect(once.stderr).toContain("1.0.0: removed 'web-ui/.index.html.tmp-123': left by a write");
    expect(once.stderr.match(/restored '/g)).toHaveLength(1);
    expect(readFileSync(join(aside, 'uploaded.txt'), 'utf8')).toBe('of an operator');
    expect(readFileSync(join(aside, 'index.html'), 'utf8')).toContain('evil');
    expect(existsSync(join(aside, 'cache/x'))).toBe(true);
    expect(existsSync(join(aside, '.index.html.tmp-123'))).toBe(false);
    expect(statSync(join(node.root, 'aside')).mode & 0o7777).toBe(0o700);

    const status = (await node.updater(['status'])).stdout;
    expect(status).toMatch(/files +as installed, read 20.*; restored 'web-ui/);
    expect(status).not.toContain('uploaded.txt');
    const history = (await node.updater(['history'])).stdout.split('\n');
    expect(history.find((line) => line.includes('restored'))).toMatch(
      /1\.0\.0 +\d+ of its files: web-ui,.*; what was there is in /,
    );
    expect(history.filter((line) => line.includes('uploaded.txt'))).toStrictEqual([
      expect.stringContaining(`2 not of it, to ${kept}: web-ui/cache, web-ui/uploaded.txt`),
    ]);
    const again = await node.updater(['once']);
    expect(again.stderr, 'nothing is left to do').not.toContain('restored');
  });

  it('is kept aside also where a clock ran ahead once, and has gone back', async () => {
    const { node } = await runningNode();
    for (let day = 10; day < 30; day += 1) {
      mkdirSync(join(node.root, 'aside', `2999-01-${day}T00-00-00.000Z-1.0.0`), {
        recursive: true,
      });
    }
    writeFileSync(ui(node, 'uploaded.txt'), 'of an operator');
    expect((await node.updater(['heal'])).code).toBe(0);
    const folders = readdirSync(join(node.root, 'aside'));
    expect(folders).toHaveLength(20);
    const kept = join(node.root, 'aside', folders.toSorted().at(-1) ?? '', 'web-ui/uploaded.txt');
    expect(readFileSync(kept, 'utf8')).toBe('of an operator');
  });

  it('again and again is repaired three times within an hour, then left alone and said', async () => {
    const { node } = await runningNode();
    const change = (): void => writeFileSync(ui(node, 'index.html'), 'version 1.0.0 of a hand');
    for (let turn = 1; turn <= 3; turn += 1) {
      change();
      expect((await node.updater(['once'])).stderr).toContain('restored');
      expect(node.page()).toContain('<!doctype');
    }
    change();
    const fourth = await node.updater(['once']);
    expect(fourth.stderr).toContain('again, after 3 repairs within an hour: left alone for a day');
    expect(node.page()).toContain('of a hand');
    chmodSync(ui(node, 'assets'), 0o700);
    const fifth = await node.updater(['once']);
    expect(fifth.stderr, 'others are repaired all the same').toContain("restored 'web-ui/assets'");
    expect((await node.updater(['history'])).stdout).toContain('alarm: not as installed');
    const healed = await node.updater(['heal']);
    expect(healed.code).toBe(0);
    expect(healed.stdout, 'it was told when it was done').toBe('1.0.0 is as it was installed\n');
    expect(healed.stderr.match(/restored 'web-ui\/index.html'/g)).toHaveLength(1);
    expect(node.page()).toContain('<!doctype');
  });
});

describe('an operator who waits', () => {
  it('gets repaired what shows at once; everything is read by the next tick', async () => {
    const { node } = await runningNode();
    const readAt = (): unknown =>
      (JSON.parse(readFileSync(join(node.state, 'heal.json'), 'utf8')) as { full?: string }).full;
    const page = readFileSync(ui(node, 'index.html'), 'utf8');
    rmSync(ui(node, 'index.html'));
    const apply = await node.updater(['apply']);
    expect(apply.stderr).toContain("restored 'web-ui/index.html'");
    expect(readAt()).toBeUndefined();
    writeFileSync(ui(node, 'index.html'), page.replace('doctype', 'd0ctype'));
    expect((await node.updater(['once'])).stderr).toContain("restored 'web-ui/index.html'");
    expect(readAt()).toBeDefined();
  });
});

describe('what was deleted by hand', () => {
  it('`current` is put back, also when it leads nowhere', async () => {
    const { node } = await runningNode();
    const id = node.current();
    rmSync(join(node.root, 'current'));
    expect((await node.updater(['status'])).stdout).toContain('does not lead to what runs');
    expect((await node.updater(['verify'])).code).toBe(0);
    expect(node.current()).toBe(id);
    rmSync(join(node.root, 'current'));
    symlinkSync('deployments/1.0.0-000000000000', join(node.root, 'current'));
    expect((await node.updater(['once'])).code).toBe(0);
    expect(node.current()).toBe(id);
    expect(node.stateName()).toBe('committed');
  });

  it('the running deployment: fetched again by a tick; at boot the one before it serves', async () => {
    const { node, ship } = await runningNode();
    await ship('1.1.0');
    await node.updater(['apply']);
    const id = node.current() ?? '';
    rmSync(join(node.root, 'deployments', id), { recursive: true });
    const once = await node.updater(['once']);
    expect(once.code, once.stderr).toBe(0);
    expect(node.current()).toBe(id);
    expect(node.page()).toContain('version 1.1.0');

    rmSync(join(node.root, 'deployments', id), { recursive: true });
    const verify = await node.updater(['verify']);
    expect(verify.code).toBe(1);
    expect(verify.stdout).toMatch(
      /rolled back from 1\.1\.0 to 1\.0\.0: '1\.1\.0-.*' is not on the disk/,
    );
    expect(node.page()).toContain('version 1.0.0');
    expect(node.quarantined(), 'nobody is to blame').toStrictEqual([]);
    expect((await node.updater(['apply'])).code).toBe(0);
    expect(node.page()).toContain('version 1.1.0');
  });
});
