/** A hold that is begun while an updater is at work: what it keeps from being switched to, and what it says. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Running, startCommand } from '../harness/command.ts';
import { makeWorld, type World } from '../harness/world.ts';

const HOLD = ['hold', '--for', '2h', '--reason', 'audit'];

interface Site extends World {
  /** Runs `updater ARGS`, and resolves when its check waits; `goOn` ends that wait. */
  startUntilChecked: (...args: string[]) => Promise<Running>;
  goOn: () => void;
}

/** A node that runs 1.0.0, and to which 1.1.0 is on offer; a check of its own takes as long as told. */
async function makeSite(): Promise<Site> {
  const world = await makeWorld({
    top: ['probation = "0s"', 'max_per_day = 2'],
    probe: { window: '60s' },
  });
  const { node, folder, ship } = world;
  await ship('1.0.0');
  await node.updater(['apply']);
  await ship('1.1.0');
  const [begun, go] = [join(folder, 'begun'), join(folder, 'go')];
  const command = `touch ${begun}; until test -e ${go}; do sleep 0.05; done`;
  const check = `[[checks]]\nname = "slow"\ncommand = ["sh", "-c", "${command}"]\ntimeout = "50s"\n`;
  appendFileSync(node.config, check);
  const startUntilChecked = async (...args: string[]): Promise<Running> => {
    const running = startCommand('updater', [...args, '--config', node.config]);
    await expect.poll(() => existsSync(begun), { timeout: 50_000 }).toBe(true);
    return running;
  };
  return { ...world, startUntilChecked, goOn: () => writeFileSync(go, '') };
}

it('while a release is staged: it is not switched to, and taken from the disk once the hold is lifted', async () => {
  const { node, startUntilChecked, goOn } = await makeSite();
  const before = node.current();
  const once = await startUntilChecked('once');
  // As after years: only the updater that is at work puts the journal aside.
  appendFileSync(join(node.state, 'journal.jsonl'), '\n'.repeat(9 * 1024 * 1024));
  const both = await Promise.all([node.updater(HOLD), node.updater(HOLD)]);
  for (const { code, stdout, stderr } of both) {
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(
      /^held until .*: audit\nprocess \d+ \(once\) is at work: it will not switch to another release\n$/,
    );
  }
  expect(existsSync(join(node.state, 'journal.jsonl.1'))).toBe(false);
  expect(node.read('hold.json')).toMatchObject({ reason: 'audit' });
  goOn();
  const held = await once.done;
  expect(held.code, held.stderr).toBe(0);
  expect(held.stdout).toMatch(/^not installed: held until .*: audit\n {2}hint: 'updater unhold'/);
  expect([node.current(), node.hasMarker()]).toStrictEqual([before, false]);
  expect(readdirSync(join(node.root, 'deployments'))).toHaveLength(2);
  expect(await node.json(['status'])).toMatchObject({
    lastCheck: { refusal: { code: 'held' } },
    waits: [],
    pace: { installsInADay: 1 },
  });
  const history = (await node.updater(['history'])).stdout;
  expect(history.match(/hold begun/g)).toHaveLength(2);
  expect(history).toMatch(/not switched +1\.1\.0 +held until .*: audit/);

  expect((await node.updater(['unhold'])).stdout).toContain('lifted: held until');
  const taken = await node.updater(['once']);
  expect(taken.code, taken.stderr).toBe(0);
  expect(taken.stderr).toContain('is on the disk already');
  expect(node.page()).toContain('version 1.1.0');
  expect(statSync(join(node.state, 'journal.jsonl.1')).size).toBeGreaterThan(8 * 1024 * 1024);
});

it('a person who asks is refused, unless it was asked despite a hold', async () => {
  const { node, startUntilChecked, goOn } = await makeSite();
  const apply = await startUntilChecked('apply');
  expect((await node.updater(HOLD)).stdout).toContain('unless it was started with --despite-hold');
  goOn();
  expect(await apply.done).toMatchObject({ code: 3 });
  expect(node.page()).toContain('version 1.0.0');
  expect(await node.updater(['apply', '--despite-hold'])).toMatchObject({ code: 0 });
  expect(node.page()).toContain('version 1.1.0');
});

it('while a verdict is due: it says so, and changes nothing about it', async () => {
  const { node, startUntilChecked, goOn } = await makeSite();
  let broken = true;
  node.web.fault = ({ target }) =>
    broken && target.includes('/1.1.0-') ? { status: 503 } : undefined;
  const once = await startUntilChecked('once');
  goOn();
  await expect.poll(() => node.hasMarker(), { timeout: 50_000 }).toBe(true);
  const held = await node.json(HOLD);
  expect(held).toMatchObject({
    hold: { reason: 'audit' },
    atWork: { purpose: 'once' },
    inProgress: { to: { version: '1.1.0' } },
  });
  broken = false;
  expect(await once.done).toMatchObject({ code: 0 });
  expect(node.page()).toContain('version 1.1.0');
  expect((await node.updater(['unhold'])).code).toBe(0);
});

it('is begun and lifted also where the history finds no room to tell of it', async () => {
  const { node, ship } = await makeWorld();
  await ship('1.0.0');
  await node.updater(['apply']);
  const journal = join(node.state, 'journal.jsonl');
  // Nothing can be appended to it.
  rmSync(journal);
  mkdirSync(journal);
  for (const [args, held] of [
    [HOLD, true],
    [['unhold'], false],
  ] as const) {
    const { code, stderr } = await node.updater(args);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(
        /^note: the history does not tell of it: cannot append/,
      ) as string,
    });
    expect(existsSync(join(node.state, 'hold.json'))).toBe(held);
  }
});
