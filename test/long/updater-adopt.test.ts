/** More of `updater-adopt` in test/scenarios: drift and data, and web servers that take no link. */
import {
  cpSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inTheField, isLink } from '../harness/field-node.ts';

describe('adopt', () => {
  it('tells drift from data, and takes data along only when told', async () => {
    const { node, ui, visit, ship } = await inTheField();
    writeFileSync(join(ui, 'config.json'), '{"of":"this node"}');
    writeFileSync(join(ui, 'assets/app.js'), 'patched by hand');
    symlinkSync('/srv/uploads', join(ui, 'uploads'));
    const linked = await node.updater(['adopt', '--version', '1.0.0']);
    expect(linked.code).toBe(3);
    expect(linked.stderr).toContain("'uploads' is a symbolic link");
    const refused = await node.updater(['adopt', '--version', '1.0.0', '--leave', 'uploads']);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain("holds what release 1.0.0 does not: 'config.json'");
    expect(isLink(ui)).toBe(false);
    const carried = ['adopt', '--version', '1.0.0', '--leave', 'uploads', '--carry'];
    const adopted = await node.updater(carried);
    expect(adopted.code, adopted.stderr).toBe(0);
    expect(adopted.stderr).toContain("not as in 1.0.0: 'assets/app.js'");
    expect((await visit('/config.json')).body).toContain('this node');
    // Of the same version, and what the maintainer signed: the next tick takes it, and can go back.
    expect((await node.updater(['once'])).code).toBe(0);
    expect((await visit('/assets/app.js')).body).toContain('console.log');
    await ship('1.1.0');
    expect((await node.updater(['once'])).code).toBe(0);
  });

  it('where no link may be put, says what is left to do, and waits for it', async () => {
    const { node, ui, nginx, folder } = await inTheField();
    const waiting = await node.updater(['adopt', '--by-hand']);
    expect(waiting.code).toBe(1);
    expect(waiting.stdout).toContain(`let the web server's root be ${node.root}/current/web-ui`);
    expect(isLink(ui)).toBe(false);
    const once = await node.updater(['once']);
    expect(once.code).toBe(3);
    expect(once.stderr).toContain('is not finished');
    expect((await node.updater(['adopt'])).code).toBe(1);
    const config = readFileSync(nginx.config, 'utf8');
    writeFileSync(nginx.config, config.replace(`root ${ui};`, `root ${node.root}/current/web-ui;`));
    await nginx.reload();
    const adopted = await node.updater(['adopt']);
    expect(adopted.code, adopted.stderr).toBe(0);
    const early = await node.updater(['adopt', '--undo']);
    expect(early.code).toBe(3);
    expect(early.stderr).toContain('the web server still serves');
    writeFileSync(nginx.config, config);
    await nginx.reload();
    expect((await node.updater(['adopt', '--undo'])).code).toBe(0);

    // Another folder than the one that is served: nothing tells the visitors, and all is taken back.
    const other = join(folder, 'other');
    cpSync(ui, other, { recursive: true });
    const wrong = await node.updater(['adopt', other]);
    expect(wrong.code).toBe(3);
    expect(wrong.stderr).toContain(`is not served from '${other}'`);
    expect(isLink(other)).toBe(false);
    expect(node.current()).toBeUndefined();
    renameSync(ui, join(folder, 'away'));
    mkdirSync(join(node.root, 'empty'));
    expect((await node.updater(['adopt'])).stderr).toContain('expected the folder that is served');
  });

  it('takes a program along, in its place, and gives it back', async () => {
    const { node, ui, ship, folder } = await inTheField();
    const program = join(folder, 'bin-server');
    writeFileSync(program, '#!/bin/sh\necho one\n', { mode: 0o755 });
    const args = ['adopt', '--file', `server=${program}`];
    const unknown = await node.updater(args);
    expect(unknown.code).toBe(3);
    expect(unknown.stderr).toContain("release 1.0.0 has no component 'server'");
    await ship('1.0.0', { files: { server: program } });
    const older = `${program}.before-landfall`;
    writeFileSync(older, 'of an earlier adoption');
    const refused = await node.updater(args);
    expect(readFileSync(older, 'utf8')).toBe('of an earlier adoption');
    expect(refused.code, refused.stderr).toBe(3);
    expect(refused.stderr).toContain(`'${older}' is in the way`);
    expect([isLink(ui), isLink(program)]).toEqual([false, false]);
    rmSync(older);
    // As a crash between the two leaves it: the same file, by both names.
    linkSync(program, older);
    const adopted = await node.updater(args);
    expect(adopted.code, adopted.stderr).toBe(0);
    expect(adopted.stderr).toContain('it is release 1.0.0, byte for byte');
    expect([isLink(ui), isLink(program)]).toEqual([true, true]);
    const next = join(folder, 'next-server');
    writeFileSync(next, '#!/bin/sh\necho two\n', { mode: 0o755 });
    await ship('1.1.0', { files: { server: next } });
    expect((await node.updater(['once'])).code).toBe(0);
    expect(readFileSync(program, 'utf8')).toContain('two');
    await node.updater(['rollback', '--reason', 'x']);
    expect((await node.updater(['adopt', '--undo'])).code).toBe(0);
    expect([isLink(ui), isLink(program)]).toEqual([false, false]);
    expect(readFileSync(program, 'utf8')).toContain('one');
  });
});

it('while an adoption is not finished, rehearsals refuse as the commands do', async () => {
  const { node, ship } = await inTheField();
  await node.updater(['adopt'], { env: { LANDFALL_CRASH_AT: 'adopt-current' } });
  await ship('1.1.0');
  for (const args of [['once'], ['apply'], ['rollback', '--reason', 'x']]) {
    const real = await node.updater(args);
    expect(real.code, args.join(' ')).toBe(3);
    expect(await node.updater([...args, '--dry-run']), args.join(' ')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('is not finished') as string,
    });
  }
  expect(await node.updater(['check'])).toMatchObject({ code: 3, stdout: '' });
});
