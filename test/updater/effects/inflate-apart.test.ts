/** Frames of a delta that are unpacked in a process without rights: the same outcomes, and nothing besides. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { packFrame } from '../../../packages/delta/codec.ts';
import { ApartInflater } from '../../../updater/effects/inflate-apart.ts';
import { errorOf } from '../../harness/errors.ts';

const dictionary = createHash('shake256', { outputLength: 300_000 }).update('old').digest();
const content = Buffer.concat([dictionary.subarray(7), Buffer.from('new'), dictionary]);
const framed = (): Promise<Buffer> => packFrame(content, { level: 3, dictionary });
const how = { content: content.length, dictionary };

function start(signal = new AbortController().signal): ApartInflater {
  const apart = new ApartInflater(signal);
  onTestFinished(() => apart.close());
  return apart;
}

function processes(): string[] {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8');
  const isOurs = (pid: string): boolean =>
    pid !== '' && readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes('--inflate');
  return children.trim().split(' ').filter(isOurs);
}

describe('unpacking frames in a process of its own', () => {
  it('gives what is in them, one after the other, until one is damaged', async () => {
    const apart = start();
    const frame = await framed();
    const small = await packFrame(Buffer.from('small'), { level: 3, dictionary: undefined });
    expect((await apart.inflate(frame, how)).equals(content)).toBe(true);
    const nothing = { content: 5, dictionary: undefined };
    expect((await apart.inflate(small, nothing)).toString()).toBe('small');
    const wrong = [
      () => apart.inflate(frame, { ...how, content: content.length - 1 }),
      () => apart.inflate(frame, { ...how, dictionary: dictionary.subarray(1) }),
      () => apart.inflate(Buffer.from(frame).fill(7, 20), how),
    ];
    for (const inflate of wrong) expect((await errorOf(inflate)).code).toBe('DELTA_REFUSED');
    expect((await apart.inflate(small, nothing)).toString()).toBe('small');
    expect(processes()).toHaveLength(1);
    await apart.close();
    expect(processes()).toEqual([]);
  });

  it('runs as nobody, without a file', async () => {
    const apart = start();
    await apart.inflate(await framed(), how);
    const [pid = ''] = processes();
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(readFileSync(`/proc/${pid}/environ`)).toHaveLength(0);
    const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    expect(links.filter((link) => link.startsWith('/') && !link.startsWith('/dev/null'))).toEqual(
      [],
    );
  });

  it('blames nobody when it is killed, and stops when told to', async () => {
    const apart = start();
    const frame = await framed();
    await apart.inflate(frame, how);
    process.kill(Number(processes()[0]), 'SIGKILL');
    const error = await errorOf(() => apart.inflate(frame, how));
    expect(error).toMatchObject({ code: 'DELTA_IO', exit: 1 });
    expect(error.message).toContain('the process that unpacks it ended with SIGKILL');

    const controller = new AbortController();
    const stopped = start(controller.signal);
    await stopped.inflate(frame, how);
    const next = stopped.inflate(frame, how);
    controller.abort(new Error('stopped by the test'));
    await expect(next).rejects.toMatchObject({ code: 'DELTA_IO' });
    await stopped.close();
    expect(processes()).toEqual([]);
  });
});
