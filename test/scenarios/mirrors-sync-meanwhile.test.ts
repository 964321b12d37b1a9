/** `mirrors sync` takes long, and somebody publishes meanwhile: no mirror is taken back. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { generateKeyPair } from '@landfall/minisign';
import { openMirrors, openWritableMirrors } from '@landfall/mirrors';
import { describe, expect, it } from 'vitest';
import { type SyncOptions, syncMirrors, type SyncResult } from '../../mirrors/sync/sync.ts';
import { giteaScene, type GiteaScene } from '../harness/gitea-scene.ts';
import { commitFiles, runGit } from '../harness/gitea-stand-in/state.ts';
import { putHalt } from '../harness/halts.ts';
import {
  fillMirror,
  mirrorFolder,
  type SmallRelease,
  smallRelease,
} from '../harness/mirror-folder.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const key = generateKeyPair();

/** Completes folders from others; `meanwhile` is done when the first artifact was sent. */
async function sync(
  from: readonly string[],
  to: readonly string[],
  meanwhile: () => void,
  more: Partial<SyncOptions> = {},
): Promise<SyncResult> {
  const configs = (paths: readonly string[]) =>
    paths.map((path) => ({ type: 'directory' as const, name: basename(path), path }));
  let isDone = false;
  return syncMirrors({
    app: 'archipelago',
    policy: { keys: [key.publicKey], threshold: 1 },
    sources: openMirrors(configs(from)),
    targets: openWritableMirrors(configs(to)).map((writer) => ({ reader: writer, writer })),
    channels: [undefined],
    branches: [],
    scratch: temporaryFolder(),
    onLine: (line) => {
      if (isDone || !/: has '/.test(line)) return;
      isDone = true;
      meanwhile();
    },
    ...more,
  });
}

const on = (folder: string): string => readFileSync(join(folder, 'releases/manifest.json'), 'utf8');
const text = ({ bytes }: SmallRelease): string => Buffer.from(bytes).toString();

describe('a target that was given a newer release meanwhile', () => {
  it('keeps it, and the others are completed', async () => {
    const whole = mirrorFolder(smallRelease([key], 4));
    const [lagging, empty] = [mirrorFolder(smallRelease([key], 3)), mirrorFolder()];
    const newer = smallRelease([key], 5);
    const { targets } = await sync([whole], [lagging, empty], () => fillMirror(lagging, newer));
    expect(targets.map(({ problem }) => problem?.code)).toEqual(['SUPERSEDED', undefined]);
    expect(targets[0]?.problem?.message).toContain(
      'somebody else has published 1.0.5 meanwhile: expected no release, found sequence 5',
    );
    expect(on(lagging)).toBe(text(newer));
    expect(on(empty)).toBe(text(smallRelease([key], 4)));
  });

  it('keeps another of the same sequence', async () => {
    const [whole, lagging] = [mirrorFolder(smallRelease([key], 4)), mirrorFolder()];
    const other = smallRelease([key], 4, (manifest) => {
      manifest.notes = 'another';
    });
    const { targets } = await sync([whole], [lagging], () => fillMirror(lagging, other));
    expect(targets[0]?.problem?.code).toBe('SUPERSEDED');
    expect(on(lagging)).toBe(text(other));
  });
});

it('what was halted on a target meanwhile stays halted', async () => {
  const [whole, lagging] = [mirrorFolder(smallRelease([key], 4)), mirrorFolder()];
  putHalt(whole, key, { serial: 3 });
  const halted = (): string => readFileSync(join(lagging, 'releases/halt.json'), 'utf8');
  const { targets } = await sync([whole], [lagging], () => putHalt(lagging, key, { serial: 4 }));
  expect(targets[0]?.problem?.message).toContain('expected none, found serial 4');
  expect(JSON.parse(halted())).toMatchObject({ serial: 4 });
});

describe('Gitea mirrors', () => {
  const push = ({ server }: GiteaScene, { bytes, signature }: SmallRelease): string => {
    const path = 'releases/manifest.json';
    const files = { [path]: Buffer.from(bytes), [`${path}.minisig`]: signature };
    return commitFiles(server.repository(), 'main', files, 'Release');
  };

  it('get no older index on top of what a source has got meanwhile', async () => {
    const [north, south] = [await giteaScene('north'), await giteaScene('south')];
    const whole = mirrorFolder(smallRelease([key], 4));
    push(north, smallRelease([key], 4));
    let newest = '';
    const { targets } = await sync(
      [whole],
      [],
      () => (newest = push(north, smallRelease([key], 5))),
      {
        targets: [{ reader: south.writer, writer: south.writer }],
        branches: [north.writer],
      },
    );
    expect(targets[0]?.problem?.code).toBe('SUPERSEDED');
    const heads = runGit(south.server.repository().git, ['log', '--format=%H', '--all']);
    expect(newest).toMatch(/^[0-9a-f]{40}$/);
    expect(heads).not.toContain(newest);
  });
});
