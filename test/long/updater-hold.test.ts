/** Holds, windows, turns and limits with the real command: what it says, and what it does not do. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeWorld } from '../harness/world.ts';

it('a hold stops installing, is never unnoticed, and neither a rollback nor a verdict waits for it', async () => {
  const { node, ship } = await makeWorld();
  await ship('1.0.0');
  await node.updater(['apply']);
  for (const [args, words] of [
    [['--reason', 'x'], 'expected an end'],
    [['--for', '2h'], 'expected why'],
    [['--for', '15d', '--reason', 'x'], 'expected an end within 14 d'],
    [['--until', '2020-01-01T00:00Z', '--reason', 'x'], 'expected an end that lies ahead'],
    [['--until', '2026-11-31T10:00Z', '--reason', 'x'], '--until: expected a time such as'],
  ] as const) {
    const wrong = await node.updater(['hold', ...args]);
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining(words) as string });
  }
  await node.updater(['hold', '--for', '2h', '--reason', 'x', '--dry-run']);
  expect(existsSync(join(node.state, 'hold.json'))).toBe(false);
  const held = await node.updater(['hold', '--for', '2h', '--reason', 'audit today']);
  expect(held.stdout).toMatch(/^held until \S+Z \(2 h left\): audit today\n$/);

  const idle = await node.updater(['once']);
  expect(idle).toMatchObject({ code: 0 });
  expect(idle.stdout).toMatch(/^1\.0\.0 runs already\nheld until .*: audit today\n$/);
  await ship('1.1.0');
  const once = await node.updater(['once']);
  expect(once).toMatchObject({ code: 0 });
  expect(once.stdout).toMatch(
    /^not installed: held until .*: audit today\n {2}hint: 'updater unhold'/,
  );
  expect(await node.updater(['apply'])).toMatchObject({ code: 3 });
  expect((await node.updater(['status'])).stdout).toMatch(/^HELD +until/);
  expect(await node.json(['hold', '--show'])).toMatchObject({
    held: { hold: { reason: 'audit today' } },
  });

  expect(await node.updater(['apply', '--despite-hold'])).toMatchObject({ code: 0 });
  expect(node.page()).toContain('version 1.1.0');
  expect(await node.updater(['verify'])).toMatchObject({ code: 0 });
  expect(await node.updater(['rollback', '--reason', 'blank'])).toMatchObject({ code: 0 });
  await ship('1.2.0');
  expect((await node.updater(['unhold'])).stdout).toContain('lifted: held until');
  expect(await node.updater(['once'])).toMatchObject({ code: 0 });
  expect(node.page()).toContain('version 1.2.0');
  const history = (await node.updater(['history'])).stdout;
  expect(history).toMatch(/hold begun .*audit today/);
  expect(history).toMatch(/hold lifted .*audit today/);
});

it('a release waits for its window, its turn and the next day; a person does not', async () => {
  const { node, ship } = await makeWorld();
  await ship('1.0.0');
  await node.updater(['apply']);
  const original = readFileSync(node.config, 'utf8');
  const configure = (top: string, tables = ''): void => {
    writeFileSync(node.config, original.replace('probation =', `${top}\nprobation =`));
    appendFileSync(node.config, tables);
  };
  await ship('1.1.0');
  const day = new Date(Date.now() + 2 * 86_400_000).toUTCString().slice(0, 3).toLowerCase();
  const window = `[[windows]]\ndays = ["${day}"]\nfrom = "02:00"\nto = "03:00"\ntimezone = "UTC"\n`;
  configure('', window);
  const outside = await node.updater(['once']);
  expect(outside).toMatchObject({ code: 0 });
  expect(outside.stdout).toContain('not installed: no maintenance window is open: from ');
  expect(await node.updater(['check'])).toMatchObject({ code: 0 });

  configure('jitter = "9d"');
  const waiting = (await node.json(['once'])) as { decline: { code: string; until: string } };
  expect(waiting.decline.code).toBe('waiting-jitter');
  expect(await node.json(['check']), 'it is not drawn again').toMatchObject({
    decline: { until: waiting.decline.until },
  });

  configure('max_per_day = 1\njitter = "9d"', window);
  expect(await node.updater(['apply']), 'a person does not wait').toMatchObject({ code: 0 });
  await ship('1.2.0');
  configure('max_per_day = 1');
  expect(await node.json(['once'])).toMatchObject({ decline: { code: 'enough-today' } });
  expect(await node.updater(['rollback', '--reason', 'x'])).toMatchObject({ code: 0 });

  configure('jitter = "9d"', window);
  await ship('1.2.1', { change: (manifest) => manifest.withdrawn.push('1.0.0') });
  expect(await node.updater(['once'])).toMatchObject({ code: 0 });
  expect(node.page(), 'what runs was withdrawn').toContain('version 1.2.1');
});

it('a window that closes while a release is staged: nothing is switched until the next, and a person need not wait', async () => {
  const { node, ship } = await makeWorld();
  await ship('1.0.0');
  await node.updater(['apply']);
  await ship('1.1.0');
  // Windows are told in minutes: one that closes soon, and not before `once` has looked.
  const closes = new Date(Math.ceil((Date.now() + 10_000) / 60_000) * 60_000);
  const clock = (time: Date): string => time.toISOString().slice(11, 16);
  const opened = new Date(closes.getTime() - 3_600_000);
  const wait = Math.ceil((closes.getTime() - Date.now()) / 1000) + 1;
  appendFileSync(
    node.config,
    [
      `[[windows]]\nfrom = "${clock(opened)}"\nto = "${clock(closes)}"\ntimezone = "UTC"`,
      `[[checks]]\nname = "slow"\ncommand = ["sleep", "${wait}"]\ntimeout = "80s"\n`,
    ].join('\n'),
  );
  const before = node.current();
  const once = await node.updater(['once'], { timeoutMs: 100_000 });
  expect(once.code, once.stderr).toBe(0);
  expect(once.stderr).toContain('installing 1.1.0');
  expect(once.stdout).toContain('not installed: no maintenance window is open: from ');
  expect([node.current(), node.hasMarker()]).toStrictEqual([before, false]);
  expect(await node.json(['status'])).toMatchObject({
    lastCheck: { refusal: { code: 'outside-window' } },
    waits: [],
  });
  const history = (await node.updater(['history'])).stdout;
  expect(history).toMatch(/not switched +1\.1\.0 +no maintenance window is open/);
  writeFileSync(node.config, readFileSync(node.config, 'utf8').replace(/"sleep", "\d+"/, '"true"'));
  const apply = await node.updater(['apply']);
  expect(apply.code, apply.stderr).toBe(0);
  expect(apply.stderr).toContain('is on the disk already');
  expect(node.page()).toContain('version 1.1.0');
});
