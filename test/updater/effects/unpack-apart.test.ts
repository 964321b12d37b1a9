/** Unpacking in a process without rights: the same outcomes, and nothing that it could do besides. */
import { execFileSync } from 'node:child_process';
import { openSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { digestTree, extractFile, extractTree, gateArchive } from '@landfall/archive';
import { describe, expect, it, onTestFinished } from 'vitest';
import { unpackApart } from '../../../updater/effects/unpack-apart.ts';
import { beOwnProgram } from '../../../updater/own-program.ts';
import { errorOf } from '../../harness/errors.ts';
import { file, ROOT, tar } from '../../harness/tar-builder.ts';
import { temporaryFolder } from '../../harness/temporary.ts';
import { zeroFrame, zstdFrame } from '../../harness/zstd-builder.ts';
import { emptyDirectory, fileOf, folderOf, pack, WEB_UI } from '../../packages/archive/helpers.ts';

const MAIN = new URL('../../../updater/main.ts', import.meta.url).href;
const PROCESS = new URL('../../../updater/effects/unpack-process.ts', import.meta.url).href;
const TAR = tar([ROOT, file('./a', 'x'.repeat(5000))]);

/** Begins to unpack megabytes; the process stands still while nobody reads on. */
async function begin(signal?: AbortSignal): Promise<{
  pid: string;
  rest: AsyncGenerator<Buffer>;
}> {
  const zeros = zeroFrame(
    undefined,
    Array.from({ length: 400 }, () => 131_072),
  );
  const fd = openSync(fileOf(zeros, 'zeros'), 'r');
  const options = { name: 'zeros', maxBytes: 100_000_000, signal };
  const rest = unpackApart(fd, options) as AsyncGenerator<Buffer>;
  expect((await rest.next()).done).toBe(false);
  return { pid: children().find((pid) => commandLine(pid).includes('--unpack')) ?? '', rest };
}

const children = (): string[] =>
  readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ');
const commandLine = (pid: string): string[] =>
  pid === '' ? [] : readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');

describe('unpacking in a process of its own', () => {
  it('gives what unpacking here gives', async () => {
    const packed = await pack(folderOf(WEB_UI), 'gzip');
    const staging = emptyDirectory();
    const here = await gateArchive(packed.path);
    expect(await gateArchive(packed.path, { unpack: unpackApart })).toStrictEqual(here);
    const compressed = await pack(folderOf(WEB_UI));
    await extractTree(compressed.path, staging, { expect: packed.tree, unpack: unpackApart });
    expect(digestTree(staging)).toMatchObject(packed.tree);
  });

  it.each([
    ['damaged', zstdFrame(TAR).fill(0xff, 30, 60)],
    ['followed by more', Buffer.concat([zstdFrame(TAR), Buffer.from('more')])],
    [
      'a bomb',
      zeroFrame(
        undefined,
        Array.from({ length: 4000 }, () => 131_072),
      ),
    ],
    ['of a root that is 0700', zstdFrame(tar([file('./', '', { mode: 0o700, flag: '5' })]))],
  ])('refuses in the same words what is %s', async (_name, bytes) => {
    const path = fileOf(bytes, 'ui.tar');
    const here = await errorOf(() => gateArchive(path));
    const apart = await errorOf(() => gateArchive(path, { unpack: unpackApart }));
    expect(apart).toMatchObject({ code: here.code, message: here.message, exit: 3 });
  });

  it('never lets through more than was signed', async () => {
    const out = join(temporaryFolder(), 'out');
    const signed = { mode: 0o644, contentSha256: '0'.repeat(64), contentSize: 4999 };
    const path = fileOf(zstdFrame(Buffer.alloc(5000)), 'server.zst');
    const error = await errorOf(() => extractFile(path, out, { ...signed, unpack: unpackApart }));
    expect(error.message).toBe("archive 'server.zst': unpacks to more than 4999 bytes");
  });

  it('runs as nobody, with the archive and three pipes, and goes when nobody reads on', async () => {
    // Root has none of its own everywhere.
    const before = process.getgroups?.() ?? [];
    onTestFinished(() => process.setgroups?.(before));
    process.setgroups?.([0, 4]);
    const { pid, rest } = await begin();
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m);
    expect(status).toMatch(/^Gid:\t65534\t65534\t65534\t65534$/m);
    expect(status).toMatch(/^Groups:\s*$/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(readFileSync(`/proc/${pid}/environ`)).toHaveLength(0);
    expect(commandLine(pid).slice(1, 3)).toEqual(['--permission', '--allow-fs-read=*']);
    const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    const files = links.filter((link) => link.startsWith('/') && !link.startsWith('/dev/null'));
    expect(files.map((link) => link.replace(/.*\//, ''))).toEqual(['zeros']);
    await rest.return(undefined);
    expect(children()).not.toContain(pid);
  });

  it('opens nothing once its rights are given up, not even what anybody may read', () => {
    const script = `
      import { closeSync, openSync } from 'node:fs';
      import { giveUpRights } from '${PROCESS}';
      const open = () => {
        try { closeSync(openSync('/etc/passwd')); return 'opens'; } catch (error) { return error.code; }
      };
      const before = open();
      giveUpRights();
      process.stdout.write(before + ', ' + open());`;
    const options = ['--permission', '--allow-fs-read=*', '--input-type=module', '--eval', script];
    const said = execFileSync(process.execPath, options, { env: {}, encoding: 'utf8' });
    expect(said).toBe('opens, ERR_ACCESS_DENIED');
  });

  it.each([
    ['more', 4],
    ['less', 2],
    ['nothing', undefined],
  ])('is not believed when it tells of %s than came through its pipe', async (_, bytes) => {
    const program = join(temporaryFolder(), 'program.mjs');
    const told = bytes === undefined ? '' : JSON.stringify({ bytes });
    const lines = ["import { writeSync } from 'node:fs';", "writeSync(1, 'abc');"];
    writeFileSync(program, [...lines, `writeSync(3, '${told}');`].join('\n'));
    beOwnProgram(pathToFileURL(program).href);
    onTestFinished(() => beOwnProgram(MAIN));
    const fd = openSync(fileOf(zstdFrame(TAR)), 'r');
    const pieces: Buffer[] = [];
    const error = await errorOf(async () => {
      const options = { name: 'ui.tar', maxBytes: 100, signal: undefined };
      for await (const piece of unpackApart(fd, options)) {
        pieces.push(Buffer.from(piece));
      }
    });
    expect(error).toMatchObject({ code: 'ARCHIVE_IO', exit: 1 });
    expect(error.message).toContain('the process that unpacks it ended with exit code 0');
    expect(String(Buffer.concat(pieces))).toBe('abc');
  });

  it('blames nobody when it is killed', async () => {
    const { pid, rest } = await begin();
    process.kill(Number(pid), 'SIGKILL');
    const error = await errorOf(async () => {
      for await (const piece of rest) expect(piece.length).toBeGreaterThan(0);
    });
    expect(error).toMatchObject({ code: 'ARCHIVE_IO', exit: 1 });
    expect(error.message).toBe("archive 'zeros': the process that unpacks it ended with SIGKILL");
  });

  it('stops when told to', async () => {
    const controller = new AbortController();
    const { pid, rest } = await begin(controller.signal);
    controller.abort(new Error('stopped by the test'));
    const reading = (async () => {
      for await (const piece of rest) expect(piece.length).toBeGreaterThan(0);
    })();
    await expect(reading).rejects.toThrow('stopped by the test');
    expect(children()).not.toContain(pid);
  });
});
