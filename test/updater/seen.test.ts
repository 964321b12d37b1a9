/** What a look costs when nothing is new, and that what is remembered is believed no more than what is served. */
import { readFileSync, writeFileSync } from 'node:fs';
import { generateKeyPair } from '@landfall/minisign';
import { describe, expect, it } from 'vitest';
import { HEAD_PATH } from '../../mirrors/head.ts';
import { IndexMemory, type Tagged } from '../../mirrors/index-memory.ts';
import { lookAtMirrors } from '../../updater/mirrors.ts';
import { putHalt } from '../harness/halts.ts';
import {
  HALT,
  lookAndKeep,
  lookedOnce,
  MANIFEST,
  release,
  sequenceOf,
  SIGNATURES,
  toLines,
  watchServers,
} from '../harness/looks.ts';
import { fillMirror, put } from '../harness/mirror-folder.ts';
import { policyOf, signAll } from '../harness/signed-manifests.ts';

describe('a look at mirrors with nothing new', () => {
  it('asks each whether manifest and halt file have changed, and reads nothing', async () => {
    const { host } = await lookedOnce();
    const { exchanges, bytes } = watchServers();
    const { look, isKept } = await lookAndKeep(host);
    expect(sequenceOf(look)).toBe(4);
    expect([...look.halts.halted.keys()]).toEqual(['1.0.4']);
    expect(look.problems).toEqual([]);
    const each = [`${HALT} 304`, `${MANIFEST} 304`];
    const without = [...each, 'releases/head.json 404'];
    expect(toLines(exchanges.splice(0))).toEqual([...without, ...without].toSorted());
    expect(isKept, 'that they have no head').toBe(true);
    const before = bytes();
    expect((await lookAndKeep(host)).isKept, 'nothing is written down twice').toBe(false);
    expect(toLines(exchanges), 'no head for an hour').toEqual([...each, ...each].toSorted());
    // Two questions and two answers a mirror, all of it headers.
    expect(bytes() - before).toBeLessThan(2 * 2 * 700);
  });

  it('sees what one mirror has new, with the signatures beside it, and no more of the other', async () => {
    const { host, key, folders } = await lookedOnce();
    fillMirror(folders[1] ?? '', release(key, 5));
    putHalt(folders[0] ?? '', key, { serial: 2, halted: [] });
    const { exchanges } = watchServers();
    const look = await lookAtMirrors(host);
    expect(sequenceOf(look)).toBe(5);
    expect(look.halts.serial).toBe(2);
    const changed = [`${HALT} 200`, `${MANIFEST} 200`, ...SIGNATURES.map((path) => `${path} 200`)];
    const same = [`${HALT} 304`, `${MANIFEST} 304`];
    const found = toLines(exchanges).filter((line) => !line.endsWith(' 404'));
    expect(found).toEqual([...changed, ...same].toSorted());
  });
});

describe('what is remembered', () => {
  it('is believed only as far as it is signed by those who count now; else all is asked for anew', async () => {
    const { host, folders } = await lookedOnce();
    const other = generateKeyPair();
    const later = { ...host, config: { ...host.config, policy: policyOf([other]) } };
    await expect(lookAtMirrors(later)).rejects.toMatchObject({ code: 'NO_MANIFEST' });
    for (const folder of folders) {
      for (const path of [MANIFEST, HALT]) {
        const [signature = ''] = signAll(readFileSync(`${folder}/${path}`), [other]);
        put(folder, `${path}.minisig`, signature);
      }
    }
    expect(sequenceOf(await lookAtMirrors(later))).toBe(4);
  });

  it.each([
    ['changed', (text: string) => text.replaceAll('"bytes":"ew', '"bytes":"fw')],
    ['cut off', (text: string) => text.slice(0, 500)],
    ['emptied', () => ''],
  ])('counts for nothing when it was %s on the disk', async (_how, change) => {
    const { host } = await lookedOnce();
    const before = readFileSync(host.paths.seen, 'utf8');
    expect(change(before)).not.toBe(before);
    writeFileSync(host.paths.seen, change(before));
    const look = await lookAtMirrors(host);
    expect(sequenceOf(look)).toBe(4);
    expect(look.problems).toEqual([]);
  });

  it('is asked about for a day, with short tags only, and never twice in a look', async () => {
    const day = 86_400_000;
    const [address, path] = ['http://a', MANIFEST];
    const bytes = Buffer.from('{}');
    const asked: (string | undefined)[] = [];
    const ask =
      (given: Tagged) =>
      (of: string, etag: string | undefined): Promise<Tagged> => {
        if (of === HEAD_PATH) return Promise.resolve(undefined);
        asked.push(etag);
        return Promise.resolve(given);
      };
    const known = [{ address, path, bytes, etag: '"a"', at: 1000 }];
    const look = new IndexMemory(known, 1000 + day - 1);
    expect(await look.read(address, path, ask('unchanged'))).toBe(bytes);
    expect(await look.read(address, path, ask({ bytes, etag: '"b"' }))).toBe(bytes);
    await new IndexMemory(known, 1000 + day).read(address, path, ask(undefined));
    await new IndexMemory(known, 999).read(address, path, ask(undefined));
    expect(asked.splice(0)).toEqual(['"a"', undefined, undefined, undefined]);
    // Ids of keys are written without the zeros they begin with.
    const signatures = [`${path}.minisig`, `${path}.36B44EF628F56C9.minisig`];
    const sent = signatures.map((each) => ({
      address,
      path: each,
      bytes,
      etag: undefined,
      at: 1000,
    }));
    const headless = { address, path: HEAD_PATH, bytes: undefined, at: 1000 };
    const untagged = new IndexMemory([...known, ...sent, headless], 1001);
    expect(await untagged.read(address, path, ask({ bytes, etag: '"a"' }))).toBe(bytes);
    const never = (): never => expect.fail('asked for what stands beside what is unchanged');
    for (const each of signatures) {
      expect(await untagged.read(address, each, never)).toBe(bytes);
    }
    expect(untagged.toKeep([address]), 'sent again, and the same').toBeUndefined();
    for (const etag of [`"${'x'.repeat(129)}"`, 'bare', '"a\r\nb"']) {
      const memory = new IndexMemory([], 0);
      await memory.read(address, path, ask({ bytes, etag }));
      expect(memory.toKeep([address])).toMatchObject([{ etag: undefined }]);
    }
  });
});
