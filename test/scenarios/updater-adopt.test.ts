/**
 * Nodes as they are in the field, taken into the layout with a real nginx in
 * front of them, and back: no request fails.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inTheField, isLink } from '../harness/field-node.ts';
import { startLoad } from '../harness/load.ts';
import type { TestNode } from '../harness/node.ts';
import { exampleWebUi, writeFiles } from '../harness/release-factory.ts';

const webUser = Number(execFileSync('id', ['-u', 'www-data'], { encoding: 'utf8' }));

/** The command that `status` advises. */
async function advised(node: TestNode): Promise<string | undefined> {
  const { stdout } = await node.updater(['status', '--json']);
  return (JSON.parse(stdout) as { advice: { command?: string } }).advice.command;
}

describe('adopt', () => {
  it('takes a node into the layout and back under load, without a failed request', async () => {
    const { node, nginx, ui, ship, visit } = await inTheField();
    chmodSync(ui, 0o775);
    chmodSync(join(ui, 'index.html'), 0o664);
    cpSync(ui, `${ui}.bak`, { recursive: true });
    const { 'index.html': page = '', 'assets/app.js': script = '' } = exampleWebUi('1.0.0');
    const { 'index.html': newPage = '', 'assets/app.js': newScript = '' } = exampleWebUi('1.1.0');
    const load = startLoad({
      url: nginx.url,
      connections: 4,
      bodies: { '/': [page, newPage], '/assets/app.js': [script, newScript] },
    });
    await load.started;

    const plan = await node.updater(['adopt', '--dry-run']);
    expect(plan.code, plan.stderr).toBe(0);
    expect(plan.stdout).toContain('would be adopted as 1.0.0-');
    expect(plan.stdout).toContain('it is release 1.0.0, byte for byte');
    expect(plan.stdout).toContain("web-ui.bak' lies beside it and is left there");
    expect(existsSync(join(node.root, 'deployments'))).toBe(false);

    const adopted = await node.updater(['adopt']);
    expect(adopted.code, adopted.stderr).toBe(0);
    expect(adopted.stdout).toContain('1.0.0 runs: ');
    expect(isLink(ui)).toBe(true);
    expect(node.stateName()).toBe('committed');
    expect(node.floor(), 'what is adopted raises no floor').toBe(0);
    expect(existsSync(`${ui}.bak/index.html`)).toBe(true);
    expect((await node.updater(['adopt'])).code).toBe(3);
    expect(await advised(node)).toBe('updater once');
    expect((await node.updater(['once'])).stdout).toContain('1.0.0 runs already');
    expect(await advised(node), 'what is advised changes what is advised').toBeUndefined();

    await ship('1.1.0');
    expect((await node.updater(['once'])).code).toBe(0);
    expect((await visit()).body).toBe(newPage);
    const tooLate = await node.updater(['adopt', '--undo']);
    expect(tooLate.code).toBe(3);
    expect(tooLate.stderr).toContain("'updater rollback --to 1.0.0");
    expect((await node.updater(['rollback', '--reason', 'x'])).code).toBe(0);
    expect((await visit()).body).toBe(page);

    const undone = await node.updater(['adopt', '--undo']);
    expect(undone.code, undone.stderr).toBe(0);
    expect(isLink(ui)).toBe(false);
    expect(lstatSync(ui).mode & 0o777).toBe(0o775);
    expect(existsSync(join(node.root, 'current'))).toBe(false);
    expect(existsSync(`${ui}.before-landfall`)).toBe(false);
    const { requests, failures } = await load.stop();
    expect(failures).toEqual({});
    expect(requests).toBeGreaterThan(100);
    console.log(`${requests} requests during adopt, update, rollback and undo; none failed`);
  });

  it('takes an older release as it is, and names what is data beside it', async () => {
    const { node, ui, ship, visit } = await inTheField();
    const { 'assets/app.js': script = '', ...rest } = exampleWebUi('1.1.0');
    await ship('1.1.0', { webUi: { ...rest, 'assets/app-3c4d.js': script } });
    const plain = await node.updater(['adopt', '--dry-run']);
    expect(plain.code, plain.stderr).toBe(0);
    expect(plain.stdout).toContain('would be adopted as 0.0.0-adopted-');
    expect(plain.stdout).toContain(
      "not in 1.1.0, the newest, and taken along until the next release: 'assets/app.js'",
    );

    writeFiles(join(ui, 'uploads'), { 'u.txt': 'of a visitor' });
    for (const name of ['db.sqlite', 'cfg.php']) writeFileSync(join(ui, name), 'ours');
    writeFileSync(join(ui, 'votes.bin'), 'ours');
    chownSync(join(ui, 'votes.bin'), webUser, webUser);
    const refused = await node.updater(['adopt']);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain(
      "web-ui' holds data: 'cfg.php', 'db.sqlite', 'uploads' (by name); 'votes.bin' ('www-data' can write it, and not index.html)",
    );
    expect(refused.stderr).toContain('--leave PATH');
    expect(isLink(ui)).toBe(false);
    expect(existsSync(join(node.root, 'deployments'))).toBe(false);

    const leave = ['uploads', '*.sqlite', 'cfg.php', 'votes.bin'].flatMap((each) => [
      '--leave',
      each,
    ]);
    expect((await node.updater(['adopt', '--dry-run', ...leave])).code).toBe(0);
    const carried = await node.updater(['adopt', '--carry']);
    expect(carried.code, carried.stderr).toBe(0);
    expect((await visit('/uploads/u.txt')).body).toBe('of a visitor');
  });

  it('knows the release that it is by its content, and what is more than that', async () => {
    const { node, ui } = await inTheField();
    writeFileSync(join(ui, 'notes.txt'), 'ours');
    const refused = await node.updater(['adopt']);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain("holds what release 1.0.0 does not: 'notes.txt'");
    expect(isLink(ui)).toBe(false);
  });

  it('refuses what is data by its name also where no mirror answers', async () => {
    const { node, ui, folder } = await inTheField();
    renameSync(join(folder, 'mirror'), join(folder, 'gone'));
    writeFileSync(join(ui, 'db.sqlite'), 'ours');
    const refused = await node.updater(['adopt']);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain("holds data: 'db.sqlite' (by name)");
    const left = await node.updater(['adopt', '--leave', 'db.sqlite']);
    expect(left.code, left.stderr).toBe(0);
    expect(left.stderr).toContain('no mirror to compare with');
  });

  it('heals a root of 0700, that nobody could see', async () => {
    const { node, ui, visit } = await inTheField();
    chmodSync(ui, 0o700);
    expect((await visit()).status).toBe(403);
    const adopted = await node.updater(['adopt']);
    expect(adopted.code, adopted.stderr).toBe(0);
    expect(adopted.stderr).toContain('drwx------ (0700) on disk, adopted as drwxr-xr-x (0755)');
    expect((await visit()).status).toBe(200);
  });
});
