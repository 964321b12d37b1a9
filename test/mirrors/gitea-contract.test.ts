/**
 * The stand-in against the recording of a real server: each recorded request
 * is sent, in order, and its answer compared field by field. Only what differs
 * from run to run may differ: addresses, times, commit ids, uuids.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GiteaStandIn, startGiteaStandIn } from '../harness/gitea-stand-in/server.ts';

interface Recorded {
  note: string;
  request: { method: string; path: string; auth: 'none' | 'token' | 'bad'; body?: unknown };
  response: { status: number; headers: Record<string, string>; body: unknown };
}

const RECORDING = JSON.parse(
  readFileSync(new URL('../vectors/gitea/recorded-1.17-dev.json', import.meta.url), 'utf8'),
) as Recorded[];

const RECORDED_BASE = 'http://127.0.0.1:3001';
const HEADERS = [
  'content-type',
  'location',
  'etag',
  'cache-control',
  'content-disposition',
  'x-total-count',
];
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
/** Fields whose times are of this run only. */
const TIMES = /^(created|created_at|updated_at|published_at|date|timestamp)$/;

let server: GiteaStandIn;
/** Recorded uuid → this run's. */
const uuids = new Map<string, string>();

beforeAll(async () => {
  server = await startGiteaStandIn();
});
afterAll(() => server.close());

describe('the stand-in answers as the recorded server did', () => {
  it('knows all 49 recorded requests', () => expect(RECORDING).toHaveLength(49));

  it.each(RECORDING)(
    '$note: $request.method $request.path',
    async ({ note, request, response }) => {
      const sent = await fetch(`${server.url}${here(request.path)}`, {
        method: request.method,
        headers: { ...credentials(request.auth), ...conditions(note), ...bodyType(request.body) },
        redirect: 'manual',
        ...bodyOf(note, request.body),
      });
      const bytes = Buffer.from(await sent.arrayBuffer());
      expect(sent.status).toBe(response.status);
      for (const name of HEADERS) {
        learnUuids(response.headers[name], sent.headers.get(name));
        expect(there(sent.headers.get(name) ?? undefined), name).toBe(response.headers[name]);
      }
      expect(sent.headers.has('content-length')).toBe('content-length' in response.headers);
      expect(comparable(bytes, response.body)).toEqual(masked(response.body));
    },
  );
});

/** The body in the form in which the recording has it. */
function comparable(bytes: Buffer, recorded: unknown): unknown {
  const text = bytes.toString('utf8');
  if (typeof recorded !== 'string') {
    learnUuids(JSON.stringify(recorded), text);
    return masked(JSON.parse(there(text) ?? ''));
  }
  return /^\d+ bytes$/.test(recorded) ? `${bytes.length} bytes` : there(text);
}

/** This run's form of a recorded text. */
function here(text: string): string {
  return text.replaceAll(UUID, (uuid) => uuids.get(uuid) ?? uuid);
}

/** The recorded form of a text of this run. */
function there(text: string | undefined): string | undefined {
  const known = new Map([...uuids].map(([recorded, own]) => [own, recorded]));
  return text
    ?.replaceAll(server.url, RECORDED_BASE)
    .replaceAll(UUID, (own) => known.get(own) ?? own);
}

function learnUuids(recorded: string | undefined, found: string | null): void {
  const own = found?.match(UUID) ?? [];
  for (const [index, uuid] of (recorded?.match(UUID) ?? []).entries()) {
    const mine = own[index];
    if (mine !== undefined && !uuids.has(uuid)) uuids.set(uuid, mine);
  }
}

/** The value with what is of one run only replaced by its type; everything else stays. */
function masked(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((each) => masked(each));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [name, masked(each, name)]),
    );
  }
  if (typeof value !== 'string') return value;
  const text = value.replaceAll(/\b[0-9a-f]{40}\b/g, (id) => (isKnownBlob(id) ? id : '<commit>'));
  return TIMES.test(key) ? text.replaceAll(/\d{4}-\d\d-\d\dT[\d:]+Z/g, '<time>') : text;
}

/** Blob ids depend on the content alone, and the content is the recorded one. */
function isKnownBlob(id: string): boolean {
  return (
    id === 'b8fbae9220c6b32ea09ae004e6d63d0f77bc73fd' ||
    id.startsWith('0f113bc2') ||
    /^0+$/.test(id)
  );
}

function credentials(auth: Recorded['request']['auth']): Record<string, string> {
  if (auth === 'none') return {};
  return { authorization: `token ${auth === 'bad' ? 'bad' : server.token}` };
}

function conditions(note: string): Record<string, string> {
  if (note === 'range past the end') return { range: 'bytes=99999999-' };
  if (note.startsWith('range')) return { range: 'bytes=0-9' };
  if (note.includes('with its etag')) {
    return { 'if-none-match': '"0f113bc2f7f30c4368b2442b2c2d0efeb0c05cb4"' };
  }
  return {};
}

function bodyType(body: unknown): Record<string, string> {
  if (body === '8 raw bytes') return { 'content-type': 'application/octet-stream' };
  return typeof body === 'object' ? { 'content-type': 'application/json' } : {};
}

/** The bytes that a recorded body stands for. */
function bodyOf(note: string, body: unknown): { body?: string | FormData } {
  if (body === undefined) return {};
  if (typeof body === 'object') return { body: JSON.stringify(body) };
  if (body === '8 raw bytes') return { body: '8 bytes!' };
  const sizes: Record<string, number> = { 'upload asset': 5_000_000, 'upload an empty asset': 0 };
  const form = new FormData();
  form.append('attachment', new Blob([Buffer.alloc(sizes[note] ?? 5, 0x61)]), 'file');
  return { body: form };
}
