import { fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import {
  acquireLock,
  Journal,
  preserveCorruptFile,
  readJsonFile,
  readLock,
} from '@landfall/durable';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { errorOf } from '../../harness/errors.ts';
import { temporaryFolder } from '../../harness/temporary.ts';

const schema = z.object({ sequence: z.int(), name: z.string() });
const whole = JSON.stringify({ sequence: 41, name: 'alpha' });

describe('readJsonFile', () => {
  it('tells absent, whole and corrupt apart at every length of truncation', () => {
    const path = join(temporaryFolder(), 'state.json');
    expect(readJsonFile(path, schema)).toEqual({ state: 'absent' });
    for (let length = 0; length < whole.length; length += 1) {
      writeFileSync(path, whole.slice(0, length));
      expect(readJsonFile(path, schema).state, `at ${length} bytes`).toBe('corrupt');
    }
    writeFileSync(path, whole);
    expect(readJsonFile(path, schema)).toEqual({
      state: 'ok',
      value: { sequence: 41, name: 'alpha' },
    });
  });

  it.each([
    ['zero bytes of a power cut', '\0\0\0\0', 'not JSON'],
    ['a wrong type', '{"sequence":"41","name":"a"}', "'sequence'"],
    ['bytes that are not UTF-8', Buffer.from([0xff, 0xfe]), 'not JSON'],
  ])('calls %s corrupt and says why', (_, content, reason) => {
    const path = join(temporaryFolder(), 'state.json');
    writeFileSync(path, content);
    expect(readJsonFile(path, schema)).toEqual({
      state: 'corrupt',
      reason: expect.stringContaining(reason),
    });
  });

  it('refuses a file that is too large without reading it', () => {
    const path = join(temporaryFolder(), 'state.json');
    writeFileSync(path, Buffer.alloc(16 * 1024 * 1024 + 1, 0x20));
    expect(readJsonFile(path, schema)).toEqual({
      state: 'corrupt',
      reason: expect.stringContaining('larger'),
    });
  });

  it('does not call a file corrupt that it may not read', async () => {
    const error = await errorOf(() => readJsonFile(temporaryFolder(), schema));
    expect(error.code).toBe('WRITE_FAILED');
  });

  it('keeps every corrupt file it puts aside', () => {
    const path = join(temporaryFolder(), 'state.json');
    for (const content of ['first', 'second']) {
      writeFileSync(path, content);
      preserveCorruptFile(path);
    }
    expect(existsSync(path)).toBe(false);
    expect(readFileSync(`${path}.corrupt-1`, 'utf8')).toBe('first');
    expect(readFileSync(`${path}.corrupt-2`, 'utf8')).toBe('second');
  });
});

describe('Journal', () => {
  it('is read while another process writes it and puts it aside', async () => {
    const folder = temporaryFolder();
    const durable = JSON.stringify(join(import.meta.dirname, '../../../packages/durable/index.ts'));
    const script = `import { Journal } from ${durable};
      const journal = new Journal(process.argv[1], { maxBytes: 100 });
      for (let each = 0; each < 2000; each += 1) journal.append({ each }, { sync: false });`;
    const path = join(folder, 'journal.jsonl');
    const writer = spawn(process.execPath, ['--input-type=module', '-e', script, path]);
    const ended = once(writer, 'exit');
    const journal = new Journal(path);
    for (let isOver = false; !isOver; isOver = writer.exitCode !== null) {
      for (let each = 0; each < 100; each += 1) journal.read();
      await setImmediate();
    }
    expect(await ended).toEqual([0, null]);
    expect(journal.read().at(-1)).toEqual({ each: 1999 });
  });

  it('survives a torn last line at every length', () => {
    const path = join(temporaryFolder(), 'journal.jsonl');
    const first = `${JSON.stringify({ n: 1 })}\n`;
    const second = `${JSON.stringify({ n: 2, text: 'ü' })}\n`;
    for (let cut = 1; cut < Buffer.byteLength(second); cut += 1) {
      writeFileSync(
        path,
        Buffer.concat([Buffer.from(first), Buffer.from(second).subarray(0, -cut)]),
      );
      const journal = new Journal(path);
      journal.append({ n: 3 });
      const numbers = journal.read().map((entry) => entry['n']);
      expect(numbers, `cut by ${cut}`).toEqual(cut === 1 ? [1, 2, 3] : [1, 3]);
    }
  });

  it('returns the newest entries, oldest first', () => {
    const journal = new Journal(join(temporaryFolder(), 'journal.jsonl'));
    expect(journal.read()).toEqual([]);
    for (const n of [1, 2, 3]) journal.append({ n });
    expect(journal.read(2)).toEqual([{ n: 2 }, { n: 3 }]);
  });
});

describe('a journal that has grown', () => {
  it('is put aside, one old file is kept, and reading goes through both', () => {
    const folder = temporaryFolder();
    const path = join(folder, 'journal.jsonl');
    const journal = new Journal(path, { maxBytes: 100 });
    for (let n = 1; n <= 30; n += 1) {
      journal.append({ n });
      expect(journal.read().at(-1)).toEqual({ n });
    }
    expect(readdirSync(folder).toSorted()).toEqual(['journal.jsonl', 'journal.jsonl.1']);
    const numbers = journal.read().map((entry) => Number(entry['n']));
    expect(numbers.length).toBeGreaterThan(12);
    expect(numbers, 'without a gap').toEqual(numbers.map((_, at) => 31 - numbers.length + at));
    expect(journal.read(15)).toHaveLength(15);
    // A crash between putting aside and beginning anew.
    rmSync(path);
    const left = journal.read();
    expect(left.length).toBeGreaterThan(10);
    expect(left.map((entry) => entry['n'])).toEqual(numbers.slice(0, left.length));
    journal.append({ n: 31 });
    expect(journal.read().at(-1)).toEqual({ n: 31 });
  });
});

describe('acquireLock', () => {
  it('excludes a second holder and names the first', async () => {
    const path = join(temporaryFolder(), 'lock');
    const lock = acquireLock(path, 'apply 1.2.3');
    const error = await errorOf(() => acquireLock(path, 'verify'));
    expect(error.code).toBe('LOCKED');
    const { since } = readLock(path) ?? {};
    expect(Math.abs(Date.now() - Date.parse(since ?? ''))).toBeLessThan(60_000);
    expect(error.message).toBe(
      `'${path}' is held by process ${process.pid} (apply 1.2.3) since ${since}`,
    );
    lock.release();
    lock.release();
    expect(readLock(path)).toBeUndefined();
    acquireLock(path, 'verify').release();
    expect(readdirSync(join(path, '..'))).toHaveLength(1);
  });

  it('takes over from a holder that is gone, from a pid used again, and from another boot', () => {
    const folder = temporaryFolder();
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const dead = [
      { pid: 4_194_304, start: '1', boot, purpose: 'gone' },
      { pid: process.pid, start: '1', boot, purpose: 'another process had this pid' },
      { pid: process.pid, start: '1', boot: 'another boot', purpose: 'before the reboot' },
    ];
    for (const [index, holder] of dead.entries()) {
      const path = join(folder, `lock-${index}`);
      writeFileSync(`${path}.7`, JSON.stringify(holder));
      acquireLock(path, 'next').release();
      expect(readdirSync(folder)).toContain(`lock-${index}.8`);
    }
  });

  it('removes the claims of processes that died over them, and no others', () => {
    const folder = temporaryFolder();
    const dead = spawnSync('true').pid;
    const other = process.ppid;
    for (const pid of [dead, other]) writeFileSync(join(folder, `lock.claim-${pid}`), '');
    acquireLock(join(folder, 'lock'), 'apply').release();
    expect(readdirSync(folder).toSorted()).toEqual(['lock.1', `lock.claim-${other}`]);
  });

  it('lets one of many through, again and again', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'lock');
    const script = join(folder, 'contender.mts');
    writeFileSync(
      script,
      `import { acquireLock } from ${JSON.stringify(import.meta.resolve('@landfall/durable'))};
       import { openSync, closeSync, rmSync } from 'node:fs';
       let held = 0;
       const end = Date.now() + 1200;
       while (Date.now() < end) {
         let lock;
         try { lock = acquireLock(${JSON.stringify(path)}, 'contend'); } catch (error) { if (error.code !== 'LOCKED') throw error; continue; }
         const inside = ${JSON.stringify(join(folder, 'inside'))};
         closeSync(openSync(inside, 'wx'));
         rmSync(inside);
         held += 1;
         lock.release();
       }
       process.send(held);`,
    );
    const contenders = Array.from({ length: 4 }, () =>
      fork(script, { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] }),
    );
    const results = await Promise.all(
      contenders.map(async (child) => {
        const [[held], [code]] = await Promise.all([
          Promise.race([once(child, 'message'), once(child, 'exit').then(() => [-1])]),
          once(child, 'exit'),
        ]);
        return { held: Number(held), code };
      }),
    );
    expect(results.map((each) => each.code)).toEqual([0, 0, 0, 0]);
    expect(results.reduce((sum, each) => sum + each.held, 0)).toBeGreaterThan(20);
  });
});
