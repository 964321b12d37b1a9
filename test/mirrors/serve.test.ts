/** The static server of a directory mirror: what it serves, and what it never does. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { serveDirectory } from '../../mirrors/serve.ts';
import { parseRange } from '../../mirrors/serve-range.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const CONTENT = '0123456789'.repeat(10);

async function serve(): Promise<{ url: string; folder: string }> {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'releases'));
  writeFileSync(join(folder, 'releases/manifest.json'), '{"version":"1.0.0"}\n');
  writeFileSync(join(folder, 'releases/a.tar.zst'), CONTENT);
  const served = await serveDirectory(folder, { host: '127.0.0.1', port: 0 });
  onTestFinished(() => served.close());
  return { url: served.address, folder };
}

/** A request whose path goes out exactly as it is given. */
function raw(url: string, path: string, method = 'GET'): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, method, agent: false }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (text: string) => (body += text));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
    });
    sent.on('error', reject).end();
  });
}

describe('the static server', () => {
  it('serves files with their size, type and tag', async () => {
    const { url } = await serve();
    const manifest = await fetch(`${url}releases/manifest.json`);
    expect(await manifest.json()).toEqual({ version: '1.0.0' });
    expect(manifest.headers.get('content-type')).toBe('application/json');
    expect(manifest.headers.get('cache-control')).toBe('no-cache');
    const artifact = await fetch(`${url}releases/a.tar.zst?x=y`);
    expect(await artifact.text()).toBe(CONTENT);
    expect(artifact.headers.get('content-type')).toBe('application/octet-stream');
    expect(artifact.headers.get('content-length')).toBe('100');
    expect(artifact.headers.get('etag')).toMatch(/^"[\w-]+"$/);
  });

  it('answers HEAD like GET, without the body', async () => {
    const { url } = await serve();
    const head = await fetch(`${url}releases/a.tar.zst`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '100']);
    expect(await head.text()).toBe('');
  });

  it('answers 304 for a tag that is still right, and 200 after a change', async () => {
    const { url, folder } = await serve();
    const first = await fetch(`${url}releases/manifest.json`);
    await first.text();
    const headers = { 'if-none-match': first.headers.get('etag') ?? '' };
    expect((await fetch(`${url}releases/manifest.json`, { headers })).status).toBe(304);
    rmSync(join(folder, 'releases/manifest.json'));
    writeFileSync(join(folder, 'releases/manifest.json'), '{"version":"1.0.1"}\n');
    expect((await fetch(`${url}releases/manifest.json`, { headers })).status).toBe(200);
  });

  it('serves a range with 206', async () => {
    const { url } = await serve();
    const part = await fetch(`${url}releases/a.tar.zst`, { headers: { range: 'bytes=95-' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 95-99/100']);
    expect(await part.text()).toBe('56789');
    const past = await fetch(`${url}releases/a.tar.zst`, { headers: { range: 'bytes=100-' } });
    expect([past.status, past.headers.get('content-range')]).toEqual([416, 'bytes */100']);
  });

  it('serves the whole file when a range is of another state of it', async () => {
    const { url } = await serve();
    const headers = { range: 'bytes=0-1', 'if-range': '"other"' };
    expect((await fetch(`${url}releases/a.tar.zst`, { headers })).status).toBe(200);
  });

  it('serves an empty file', async () => {
    const { url, folder } = await serve();
    writeFileSync(join(folder, 'empty'), '');
    const empty = await fetch(`${url}empty`);
    expect([empty.status, empty.headers.get('content-length'), await empty.text()]).toEqual([
      200,
      '0',
      '',
    ]);
  });

  it('takes only GET and HEAD', async () => {
    const { url } = await serve();
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      expect((await raw(url, '/releases/manifest.json', method)).status).toBe(405);
    }
  });

  it.each([
    '/',
    '/releases',
    '/releases/',
    '/../secret',
    '/releases/../../secret',
    '/%2e%2e/secret',
    '/releases/%2e%2e/%2e%2e/secret',
    '/..%2fsecret',
    '//etc/passwd',
    '/.hidden',
    '/releases/.part',
    '/releases\\..\\..\\secret',
    '/releases/manifest.json%00.txt',
    '/%',
    '/releases/./manifest.json',
    '/releases/manifest.json/',
    '/inside',
    '/outside',
    '/folder-outside/secret',
    '/fifo',
  ])('answers 404 for %s', async (path) => {
    const { url, folder } = await serve();
    const elsewhere = temporaryFolder();
    writeFileSync(join(elsewhere, 'secret'), 'secret');
    writeFileSync(join(folder, '.hidden'), 'secret');
    writeFileSync(join(folder, 'releases/.part'), 'secret');
    symlinkSync(join(folder, 'none'), join(folder, 'inside'));
    symlinkSync(join(elsewhere, 'secret'), join(folder, 'outside'));
    symlinkSync(elsewhere, join(folder, 'folder-outside'));
    execFileSync('mkfifo', [join(folder, 'fifo')]);
    const answer = await raw(url, path);
    expect(answer).toEqual({ status: 404, body: '404\n' });
  });

  it('follows a link that stays inside', async () => {
    const { url, folder } = await serve();
    symlinkSync('a.tar.zst', join(folder, 'releases/latest'));
    expect((await raw(url, '/releases/latest')).body).toBe(CONTENT);
  });
});

/** The command for one that may have so many files open, sockets included. */
async function serveWithFew(folder: string, files: number): Promise<string> {
  const command = [
    join(process.cwd(), 'mirrors/main.ts'),
    'serve',
    folder,
    '--listen',
    '127.0.0.1:0',
  ];
  const limited = ['-c', `ulimit -n ${files}; exec "$@"`, 'sh', process.execPath, ...command];
  const child = spawn('sh', limited, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(async () => {
    child.kill();
    await once(child, 'exit');
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return / at (\S+)/.exec(line.toString())?.[1] ?? '';
}

it.each([60, 61])(
  'says of no file that it is not there when it may open no more than %i',
  async (most) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'landfall-mirror.json'), '{}\n');
    writeFileSync(join(folder, 'large'), Buffer.alloc(50_000_000));
    writeFileSync(join(folder, 'small'), CONTENT);
    const url = await serveWithFew(folder, most);
    const found = new Set<number>();
    for (let readers = 0; readers < 40; readers += 1) {
      // One who asks for all of it and takes nothing holds two of them.
      const reader = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
      onTestFinished(() => void reader.destroy());
      reader.once('data', () => reader.pause()).write('GET /large HTTP/1.1\r\nhost: x\r\n\r\n');
      const answer = await raw(url, '/small').catch(() => ({ status: 0 }));
      found.add(answer.status);
    }
    expect([...found].filter((status) => ![0, 200, 500].includes(status))).toEqual([]);
    expect(found).toContain(200);
  },
);

describe('a range', () => {
  it.each<[string | undefined, ReturnType<typeof parseRange>]>([
    [undefined, undefined],
    ['bytes=0-0', { start: 0, end: 0 }],
    ['bytes=0-', { start: 0, end: 99 }],
    ['bytes=-10', { start: 90, end: 99 }],
    ['bytes=-1000', { start: 0, end: 99 }],
    ['bytes=50-1000', { start: 50, end: 99 }],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=5-4', undefined],
    ['bytes=-', undefined],
    ['bytes=0-1,5-6', undefined],
    ['items=0-1', undefined],
    ['bytes=a-b', undefined],
    ['bytes=99999999999999999999-', undefined],
  ])('%s of 100 bytes', (header, expected) => {
    expect(parseRange(header, 100)).toEqual(expected);
  });
});
