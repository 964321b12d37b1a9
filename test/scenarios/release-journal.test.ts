/** The journal of a publication: what it holds, what is saved by it, and when it is not believed. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ProvenPublication } from '../../release/proofs.ts';
import { expectComplete } from '../harness/mirror-content.ts';
import { type Project, useProject } from '../harness/project.ts';

const ARTIFACTS = ['server-1.0.0-linux-x64.zst', 'web-ui-1.0.0.tar.zst'];

function journalPath(site: Project): string {
  return join(site.directory, '.release/1.0.0.json');
}

function journalOf(site: Project): { publications: ProvenPublication[] } {
  return JSON.parse(readFileSync(journalPath(site), 'utf8')) as ReturnType<typeof journalOf>;
}

/** Ships until `point`, where the process is killed. */
async function shipUntil(site: Project, point: string): Promise<void> {
  const { signal } = await site.release(['ship'], { env: { LANDFALL_CRASH_AT: point } });
  expect(signal).toBe('SIGKILL');
}

describe('the journal of a publication', () => {
  it('tells for each mirror and artifact what was proven, and status shows it', async () => {
    const site = await useProject();
    expect(await site.release(['ship'])).toMatchObject({ code: 0 });
    const [publication] = journalOf(site).publications;
    expect(publication).toMatchObject({ channel: 'stable', sequence: 1 });
    expect(Object.keys(publication?.mirrors ?? {}).toSorted()).toEqual(['kyoto', 'lima', 'oslo']);
    for (const { artifacts, indexed } of Object.values(publication?.mirrors ?? {})) {
      expect(indexed).toMatch(/^\d{4}-.*Z$/);
      expect(Object.keys(artifacts).toSorted()).toEqual(ARTIFACTS);
      for (const { uploaded, readBack } of Object.values(artifacts)) {
        expect(uploaded).toMatch(/Z$/);
        expect(Date.parse(readBack ?? '')).toBeGreaterThanOrEqual(Date.parse(uploaded ?? ''));
      }
    }
    expect((await site.release(['status'])).stdout).toContain('on 3 of 3');
    expect(await site.release(['renew'])).toMatchObject({ code: 0 });
    expect(journalOf(site).publications.map(({ sequence }) => sequence)).toEqual([1, 2]);
  });

  it('saves a second read-back after a crash, of what the mirror still shows', async () => {
    const site = await useProject();
    await shipUntil(site, 'ship-read-back');
    expect((await site.release(['status'])).stdout).toContain('on 0 of 3; ');
    const web = 'releases/download/v1.0.0/web-ui-1.0.0.tar.zst';
    const whole = readFileSync(join(site.mirror('oslo'), web));
    // Cut short, and gone: what these two show is not what was proven of them.
    writeFileSync(join(site.mirror('oslo'), web), whole.subarray(0, 100));
    rmSync(join(site.mirror('lima'), web));
    const finished = await site.release(['ship']);
    expect(finished.code).toBe(0);
    const lines = finished.stderr.split('\n').filter((line) => line.includes('a moment ago'));
    expect(lines.map((line) => line.trim()).toSorted()).toEqual([
      "kyoto: 'server-1.0.0-linux-x64.zst' was read back a moment ago",
      "kyoto: 'web-ui-1.0.0.tar.zst' was read back a moment ago",
      "lima: 'server-1.0.0-linux-x64.zst' was read back a moment ago",
      "oslo: 'server-1.0.0-linux-x64.zst' was read back a moment ago",
    ]);
    expectComplete(site, '1.0.0');
  });

  it('is not believed once a release is out: running it again reads everything', async () => {
    const site = await useProject();
    await site.release(['ship']);
    const path = join(site.mirror('lima'), 'releases/download/v1.0.0/web-ui-1.0.0.tar.zst');
    const good = readFileSync(path);
    writeFileSync(path, Buffer.alloc(good.length));
    const again = await site.release(['ship']);
    expect(again.stderr).not.toContain('a moment ago');
    expect(readFileSync(path)).toEqual(good);
  });

  it('is not believed about another place, an older time, or another mirror', async () => {
    const site = await useProject();
    await shipUntil(site, 'ship-read-back');
    const text = readFileSync(journalPath(site), 'utf8');
    const hourAgo = new Date(Date.now() - 2 * 3_600_000).toISOString().replace(/\.\d+Z/, 'Z');
    const aged = text.replaceAll(/"readBack": "[^"]+"/g, `"readBack": "${hourAgo}"`);
    writeFileSync(journalPath(site), aged.replaceAll(site.mirror('oslo'), '/somewhere/else'));
    const finished = await site.release(['ship']);
    expect(finished.code).toBe(0);
    expect(finished.stderr).not.toContain('a moment ago');
    expectComplete(site, '1.0.0');
  });

  it.each([
    ['gone', undefined],
    ['corrupt', '{"schema":1,'],
    ['of another schema', '{"schema":2}'],
  ])('may be %s: the mirrors tell the rest', async (_, content) => {
    const site = await useProject();
    await shipUntil(site, 'ship-read-back');
    if (content === undefined) rmSync(journalPath(site));
    else writeFileSync(journalPath(site), content);
    const finished = await site.release(['ship']);
    expect(finished.code).toBe(0);
    expectComplete(site, '1.0.0');
    expect(journalOf(site).publications).toHaveLength(1);
    const kept = readdirSync(join(site.directory, '.release')).filter((name) =>
      name.includes('corrupt'),
    );
    expect(kept).toHaveLength(content === undefined ? 0 : 1);
  });
});
