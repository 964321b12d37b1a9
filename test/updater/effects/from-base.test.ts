/**
 * Releases by delta, and out of what runs alone. Whatever is wrong with a delta,
 * the release is staged whole from its artifact, once, and it is said why.
 */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { releaseTag } from '@landfall/manifest';
import { describe, expect, it } from 'vitest';
import { stage } from '../../../updater/effects/stage.ts';
import { recordDelta } from '../../../updater/records/delta-file.ts';
import { pinGolden } from '../../../updater/golden.ts';
import { makeStagingScene, type Staged, type StagingScene } from '../../harness/staging-scene.ts';

const LARGE = randomBytes(300_000);
const served = ({ mirror }: StagingScene, { release }: Staged, file: string): string =>
  join(mirror, 'releases/download', releaseTag(release.manifest.version), file);
const deltaOf = ({ selected: [ui] }: Staged): { file: string; sha256: string } =>
  ui?.artifact.deltas[0] as { file: string; sha256: string };
const artifactOf = ({ selected: [ui] }: Staged): string => ui?.artifact.file ?? '';

/** 1.0.0 runs, and 1.1.0 is published with a delta from it; a program comes with both. */
async function makeSmallChange(top = ''): Promise<{
  scene: StagingScene;
  first: Staged;
  second: Staged;
}> {
  const scene = makeStagingScene(top);
  const program = join(scene.folder, 'server');
  writeFileSync(program, randomBytes(100_000));
  chmodSync(program, 0o755);
  const files = { server: program };
  const old = { large: LARGE, moved: LARGE.subarray(1000), gone: 'gone' };
  const first = await scene.run(await scene.make('1.0.0', old, { files }));
  const changed = Buffer.concat([LARGE.subarray(0, 1000), Buffer.from('x'), LARGE.subarray(1000)]);
  const now = { large: changed, 'to/here': LARGE.subarray(1000), new: 'new' };
  const second = await scene.make('1.1.0', now, { files, deltasFrom: [first.release] });
  return { scene, first, second };
}

/** Stages the small change whole, and returns why. Whether its delta would be tried `again` is looked at too. */
async function expectWhole(
  { scene, second }: Awaited<ReturnType<typeof makeSmallChange>>,
  again: 'not again' | 'again' = 'not again',
): Promise<string> {
  const { host } = scene;
  const { file } = deltaOf(second);
  await stage(host, second);
  const told = `${file} is of no use${again === 'again' ? ' now' : ''}: `;
  const why = host.notes.filter((line) => line.startsWith(told));
  expect(why).toHaveLength(1);
  expect(why[0]).toMatch(/; taking the whole artifact$/);
  expect(host.journal.read()).toContainEqual(expect.objectContaining({ delta: file }));
  expect(host.notes.join('\n')).toContain(`downloading ${artifactOf(second)} (`);
  expect(readdirSync(host.paths.downloads)).toStrictEqual([]);
  host.notes.splice(0);
  rmSync(second.at(''), { recursive: true });
  await scene.run(second);
  expect(host.notes.join('\n').includes('.delta')).toBe(again === 'again');
  return why[0] ?? '';
}

describe('a small change', () => {
  it('comes by delta, and what did not change is not downloaded at all', async () => {
    const { scene, first, second } = await makeSmallChange();
    const { host } = scene;
    for (const { artifact } of second.selected) rmSync(served(scene, second, artifact.file));
    await scene.run(second);
    const said = host.notes.join('\n');
    expect(said).toMatch(/downloading web-ui-1\.1\.0\.from-1\.0\.0\.delta \(.+, in place of .+\)/);
    expect(said).toContain("'server' is the same as in 1.0.0");
    expect(statSync(second.at('server')).ino).toBe(statSync(first.at('server')).ino);
    expect(statSync(second.at('web-ui/to/here')).ino).toBe(statSync(first.at('web-ui/moved')).ino);
    expect(readdirSync(host.paths.downloads)).toStrictEqual([]);
    const used = { component: 'web-ui', from: '1.0.0', file: deltaOf(second).file };
    expect(host.journal.read()).toContainEqual(
      expect.objectContaining({ delta: expect.objectContaining(used) }),
    );
  });

  it.each(['share_files = false', ''])('has bytes of its own where it must (%s)', async (top) => {
    const { scene, first, second } = await makeSmallChange(top);
    if (top === '') pinGolden(scene.host, first.deployment);
    for (const { artifact } of second.selected) rmSync(served(scene, second, artifact.file));
    await scene.run(second);
    expect(statSync(second.at('server')).nlink).toBe(1);
    expect(statSync(second.at('web-ui/to/here')).nlink).toBe(1);
  });

  it('comes whole where the configuration says so', async () => {
    const { scene, second } = await makeSmallChange();
    const config = { ...scene.host.config, deltas: false };
    // Nobody has it, which ends this before anything is unpacked.
    rmSync(served(scene, second, artifactOf(second)));
    await expect(stage({ ...scene.host, config }, second)).rejects.toThrow("has no 'web-ui");
    const said = scene.host.notes.join('\n');
    expect(said).toContain(`downloading ${artifactOf(second)} (`);
    expect(said).not.toContain('.delta');
  });

  it('comes whole when more than the delta is on the disk already', async () => {
    const { scene, second } = await makeSmallChange();
    const { size } = second.selected[0]?.artifact ?? { size: 0 };
    const { downloads } = scene.host.paths;
    writeFileSync(join(downloads, `${artifactOf(second)}.unverified`), Buffer.alloc(size - 10));
    await scene.run(second);
    expect(scene.host.notes.join('\n')).not.toContain('.delta');
  });
});

describe('a delta is left for the whole artifact', () => {
  it('when no mirror has it', async () => {
    const small = await makeSmallChange();
    rmSync(served(small.scene, small.second, deltaOf(small.second).file));
    const why = await expectWhole(small, 'again');
    expect(why).toContain("has no 'web-ui-1.1.0.from-1.0.0.delta'");
  });

  it('when a mirror has it damaged', async () => {
    const small = await makeSmallChange();
    const path = served(small.scene, small.second, deltaOf(small.second).file);
    const bytes = readFileSync(path);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    expect(await expectWhole(small, 'again')).toContain('is not what was signed');
  });

  it('when it was signed and leads elsewhere', async () => {
    const { scene, first, second } = await makeSmallChange();
    const third = await scene.make('1.2.0', { large: 'other' }, { deltasFrom: [first.release] });
    const [own, other] = [deltaOf(second), deltaOf(third)];
    const evil = { ...other, file: own.file };
    Object.assign(second.selected[0]?.artifact.deltas[0] ?? {}, evil);
    writeFileSync(served(scene, second, own.file), readFileSync(served(scene, third, other.file)));
    expect(await expectWhole({ scene, first, second })).toContain('another tree than was signed');
  });

  it('when a file here is damaged: the release comes whole, and right', async () => {
    const small = await makeSmallChange();
    writeFileSync(small.first.at('web-ui/large'), Buffer.alloc(LARGE.length));
    expect(await expectWhole(small)).toContain("'large' of the base");
  });

  it('when it was begun twice and did not come to an end', async () => {
    const { scene, second } = await makeSmallChange();
    const { paths, notes } = scene.host;
    for (const at of ['2026-04-22T19:00:00.000Z', '2026-04-22T19:01:00.000Z']) {
      recordDelta(paths.deltas, deltaOf(second), at);
    }
    await scene.run(second);
    expect(notes.join('\n')).not.toContain('.delta');
  });

  it('when it leads from another release, and not asked for', async () => {
    const { scene, first } = await makeSmallChange();
    const other = await scene.run(await scene.make('1.0.1', { large: 'small' }));
    const third = await scene.make('1.2.0', { large: LARGE }, { deltasFrom: [first.release] });
    await scene.run(third);
    expect(scene.host.notes.join('\n')).not.toContain('.delta');
    expect(existsSync(other.at(''))).toBe(true);
  });
});

describe('a component that did not change', () => {
  it('is downloaded when the one that runs is damaged', async () => {
    const { scene, first, second } = await makeSmallChange();
    writeFileSync(first.at('server'), randomBytes(100_000));
    await scene.run(second);
    const said = scene.host.notes.join('\n');
    expect(said).toMatch(/'server' of 1\.0\.0-\w+ is of no use: .+; taking the whole artifact/);
    expect(statSync(second.at('server')).nlink).toBe(1);
  });
});
