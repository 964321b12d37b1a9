import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gateArchive, type GateReport, packTree, planTree } from '@landfall/archive';
import { describe, expect, it } from 'vitest';
import { compareReaders } from '../../release/steps/second-reader.ts';
import { errorOf } from '../harness/errors.ts';
import { temporaryFolder } from '../harness/temporary.ts';

/** Packs a small tree; `large` makes it span several compressed frames. */
async function packed(compression: 'zstd' | 'gzip', large = false): Promise<string> {
  const folder = temporaryFolder();
  const tree = join(folder, 'tree');
  mkdirSync(join(tree, 'empty'), { recursive: true });
  mkdirSync(join(tree, 'deep', 'a'.repeat(90)), { recursive: true });
  writeFileSync(join(tree, 'index.html'), 'hello');
  writeFileSync(join(tree, 'deep', 'a'.repeat(90), `${'b'.repeat(90)}.js`), 'long path');
  writeFileSync(join(tree, 'größe.txt'), '');
  writeFileSync(join(tree, 'run.sh'), '#!/bin/sh\n');
  chmodSync(join(tree, 'run.sh'), 0o755);
  if (large) writeFileSync(join(tree, 'large.bin'), Buffer.alloc(20 * 1024 * 1024, 'landfall '));
  const out = join(folder, `tree.tar.${compression === 'zstd' ? 'zst' : 'gz'}`);
  await packTree(planTree({ parts: [{ from: tree, at: '' }] }), out, { mtime: 1, compression });
  return out;
}

/** The report of the gate, changed as if it had seen something else. */
async function changed(path: string, change: (report: GateReport) => void): Promise<GateReport> {
  const report = structuredClone(await gateArchive(path));
  change(report);
  return report;
}

describe('the second reader', () => {
  it.each(['zstd', 'gzip'] as const)('agrees about what we pack with %s', async (compression) => {
    const path = await packed(compression, true);
    const report = await gateArchive(path);
    expect(report.listing).toHaveLength(9);
    expect(await compareReaders(path, report)).toBe(9);
  });

  it.each(['zstd', 'gzip'] as const)(
    'agrees about long paths, wherever what is unpacked with %s is cut',
    async (compression) => {
      const folder = temporaryFolder();
      const tree = join(folder, 'tree');
      const long = 'ß日🏝'.repeat(27);
      // A header with a path of more than 512 bytes is cut where a piece ends.
      mkdirSync(join(tree, long, long), { recursive: true });
      for (let each = 0; each < 500; each += 1) {
        writeFileSync(join(tree, long, long, `${long}${each}`), 'x'.repeat(each * 7));
      }
      const out = join(folder, `tree.tar.${compression === 'zstd' ? 'zst' : 'gz'}`);
      const plan = planTree({ parts: [{ from: tree, at: '' }] });
      await packTree(plan, out, { mtime: 1, compression });
      expect(await compareReaders(out, await gateArchive(out))).toBe(503);
    },
  );

  it.each<[string, (report: GateReport) => void]>([
    ['a content', (report) => Object.assign(report.listing.at(-1) ?? {}, { sha256: '0' })],
    ['a mode', (report) => Object.assign(report.listing.at(-1) ?? {}, { mode: 0o644 })],
    ['a size', (report) => Object.assign(report.listing.at(-1) ?? {}, { size: 1 })],
    ['a type', (report) => Object.assign(report.listing.at(-1) ?? {}, { type: 'directory' })],
  ])('is heard when it sees %s differently', async (_, change) => {
    const path = await packed('zstd');
    const error = await errorOf(async () => compareReaders(path, await changed(path, change)));
    expect(error).toMatchObject({ code: 'READERS_DISAGREE', exit: 3 });
    expect(error.message).toContain("'run.sh' differs");
  });

  it('is heard when it sees more, or less', async () => {
    const path = await packed('zstd');
    const less = await changed(path, (report) => report.listing.pop());
    const more = await changed(path, (report) =>
      report.listing.push({ path: 'ghost', type: 'file', mode: 0o644, size: 0, sha256: '' }),
    );
    const first = await errorOf(() => compareReaders(path, less));
    const second = await errorOf(() => compareReaders(path, more));
    expect(first.message).toContain("'run.sh' is seen by the second one only");
    expect(second.message).toContain("'ghost' is seen by the gate only");
  });

  it('is heard when it cannot read at all', async () => {
    const path = await packed('gzip');
    const report = await gateArchive(path);
    writeFileSync(path, 'this is no archive at all, only some words');
    const error = await errorOf(() => compareReaders(path, report));
    expect(error).toMatchObject({ code: 'READERS_DISAGREE', exit: 3 });
  });
});
