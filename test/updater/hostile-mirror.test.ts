/**
 * What a mirror in an attacker's hands tries, one test per attack, against an
 * updater that runs from its configuration to the verdict. After each the node
 * is, byte by byte, what it was before. Who may try what, and which rule stops
 * it: docs/threat-model.md.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { hostPlatform } from '@landfall/manifest';
import { describe, expect, it } from 'vitest';
import { type Attacked, attackedNode, refused, underAttack } from '../harness/attacked-node.ts';
import { artifactOf, type Lie, MANIFEST, SIGNATURE } from '../harness/hostile-mirror.ts';
import { startHostileMirror } from '../harness/hostile-mirror.ts';
import {
  exampleWebUi,
  type FactoryOptions,
  type Release,
  ReleaseFactory,
} from '../harness/release-factory.ts';
import { temporaryFolder } from '../harness/temporary.ts';

/** A release made elsewhere: with a key of its own unless told, and a page that must never be served. */
function foreign(version: string, options: FactoryOptions = {}, sequence = 900): Promise<Release> {
  return new ReleaseFactory(temporaryFolder(), options).make({
    version,
    webUi: {
      ...exampleWebUi(version),
      'index.html': '<p>owned</p>\n',
      'version.json': `{"version":"${version}"}`,
    },
    change: (manifest) => (manifest.sequence = sequence),
  });
}

/** The bytes of the first artifact of a release. */
function archiveOf({ folder, manifest }: Release): Buffer {
  return readFileSync(join(folder, manifest.components[0]?.artifacts[0]?.file ?? ''));
}

async function expectTaken(scene: Attacked, version: string): Promise<void> {
  const { outcome, told } = await scene.update();
  expect(outcome, told).toBe('kept');
  expect(scene.node.page()).toContain(`version ${version}`);
}

describe('arbitrary installation', () => {
  it('of a release that the mirror signed itself', async () => {
    const scene = await attackedNode();
    const forged = await foreign('9.0.0');
    expect(await underAttack(scene, () => scene.evil.publish(forged))).toEqual(
      refused('NO_MANIFEST', 'which is none of the trusted keys'),
    );
  });

  it.each([
    ['another version', '"version": "1.1.0"', '"version": "1.1.1"'],
    ['a higher sequence', '"sequence": 2', '"sequence": 3'],
    ['a field more', '\n}\n', ',\n  "more": true\n}\n'],
    ['a line feed more', '\n}\n', '\n}\n\n'],
  ])('of a signed release with %s', async (_, from, to) => {
    const scene = await attackedNode();
    const next = await scene.make('1.1.0');
    scene.evil.publish(next);
    const text = Buffer.from(next.bytes).toString();
    expect(text).toContain(from);
    expect(
      await underAttack(scene, () =>
        scene.evil.files.set(MANIFEST, Buffer.from(text.replace(from, to))),
      ),
    ).toEqual(refused('NO_MANIFEST', 'does not verify over these bytes'));
  });

  it('of another archive under a signed name, of the same size', async () => {
    const scene = await attackedNode();
    const next = await scene.make('1.1.0');
    const good = archiveOf(next);
    const bad = Buffer.concat([archiveOf(await foreign('1.1.0')), good]).subarray(0, good.length);
    expect(
      await underAttack(scene, () => {
        scene.publish(next);
        scene.evil.falsify(artifactOf(next), bad);
      }),
    ).toEqual(refused('BAD_ANSWER', 'is not what was signed: expected sha256', 2));
    // The mirror is to blame, not the release.
    scene.evil.relent();
    await expectTaken(scene, '1.1.0');
  });
});

describe('endless data', () => {
  it.each([
    ['halt file', /halt\.json$/, 'NO_MANIFEST', 1],
    ['manifest', /manifest\.json$/, 'NO_MANIFEST', 1],
    ['signature', /\.minisig$/, 'NO_MANIFEST', 1],
    ['archive', /\/download\//, 'TOO_LARGE', 2],
  ] as const)('in place of the %s', async (_, path, code, floor) => {
    const scene = await attackedNode();
    scene.publish(await scene.make('1.1.0'));
    const attack = (): void => scene.evil.break(path, { kind: 'endless' });
    expect(await underAttack(scene, attack)).toEqual(
      refused(code, 'is too large: expected at most', floor),
    );
    scene.evil.relent();
    await expectTaken(scene, '1.1.0');
  });
});

describe('malicious mirror with a veto', () => {
  it('has none, whatever it shows: the honest one is enough', async () => {
    const scene = await attackedNode({ honest: 1 });
    const [stale, forged] = [await scene.make('1.0.1'), await foreign('9.0.0')];
    const { key } = scene.factory;
    const other = await foreign('9.0.0', { key, app: 'atoll' });
    const channel = await foreign('9.0.0', { key, channel: 'beta' });
    const only =
      (path: string, bytes: string | undefined): Lie =>
      (asked, honest) =>
        asked === path ? bytes : honest;
    const lies: [string, Lie][] = [
      ['nothing at all', () => undefined],
      ['a page', () => '<!doctype html><p>welcome</p>'],
      ['no signature', only(SIGNATURE, undefined)],
      ['rubbish as a signature', only(SIGNATURE, 'x'.repeat(10_000))],
      ['JSON without an end', only(MANIFEST, '['.repeat(900_000))],
      ['a halt that nobody signed', only('releases/halt.json', '{"schema":1,"halted":[]}')],
      ['an older release', showing(stale)],
      ['a release of its own', showing(forged)],
      ['another app', showing(other)],
      ['another channel', showing(channel)],
      ['no archives', (path, bytes) => (/download/.test(path) ? undefined : bytes)],
    ];
    for (const [index, [what, lie]] of lies.entries()) {
      const version = `1.1.${index}`;
      scene.publish(await scene.make(version));
      scene.evil.lie = lie;
      const { outcome, told } = await scene.update();
      expect([what, outcome], told).toEqual([what, 'kept']);
      expect(scene.node.page()).toContain(`version ${version}`);
      // Without its archives it is named if it was asked for one: the faster is asked first.
      expect(told, what).toMatch(what === 'no archives' ? /./ : /mirror 'mirror-1'/);
    }
  });
});

/** Shows the index of `release`, and of the rest what is honest. */
function showing(release: Release): Lie {
  return (path, honest) =>
    path === MANIFEST ? release.bytes : path === SIGNATURE ? release.signature : honest;
}

describe('mix-and-match', () => {
  it('of one manifest with the signature of another', async () => {
    const scene = await attackedNode();
    const [one, two] = [await scene.make('1.1.0'), await scene.make('1.2.0')];
    scene.publish(one);
    for (const [bytes, signature] of [
      [one.bytes, two.signature],
      [two.bytes, one.signature],
    ] as const) {
      expect(
        await underAttack(scene, () => {
          scene.evil.lie = showing({ ...one, bytes, signature });
        }),
      ).toEqual(refused('NO_MANIFEST', 'does not verify over these bytes'));
    }
  });

  it('of components: those of an earlier release, and one in place of the other', async () => {
    const files = { server: '/usr/bin/true' };
    const scene = await attackedNode({ first: { files } });
    const next = await scene.make('1.1.0', { files: { server: '/usr/bin/false' } });
    scene.publish(next);
    const at = (component: number): Buffer =>
      scene.evil.files.get(artifactOf(next, component)) ?? Buffer.alloc(0);
    const [ui, server] = [at(0), at(1)];
    const earlier = [...scene.evil.files].flatMap(([path, bytes]) =>
      path.includes('v1.0.0') ? [bytes] : [],
    );
    expect(earlier).toHaveLength(2);
    for (const [first = ui, second = server] of [
      [earlier[0], server],
      [ui, earlier[1]],
      [server, ui],
    ]) {
      expect(
        await underAttack(scene, () => {
          scene.evil.falsify(artifactOf(next, 0), first);
          scene.evil.falsify(artifactOf(next, 1), second);
        }),
      ).toEqual(refused(/TOO_LARGE|BAD_ANSWER/, /is not what was signed|is too large/, 2));
    }
    scene.evil.relent();
    await expectTaken(scene, '1.1.0');
  });
});

describe('rollback', () => {
  it('with an old manifest, also by all mirrors, also after the operator went back', async () => {
    const scene = await attackedNode();
    const [old, next] = [await scene.make('1.0.1'), await scene.make('1.1.0')];
    scene.publish(next);
    await expectTaken(scene, '1.1.0');
    const words = 'expected sequence 3 or more, found 2';
    expect(await underAttack(scene, () => scene.publish(old))).toEqual(
      refused('below-floor', words, 3),
    );
    const asked = await scene.update({ version: '1.0.1', byHand: true, liftQuarantine: true });
    expect(asked).toMatchObject({ outcome: 'declined', code: 'below-floor' });
    const back = await scene.node.updater(['rollback', '--reason', 'the page is blank']);
    expect(back.code).toBe(0);
    expect(scene.node.page()).toContain('version 1.0.0');
    expect(await underAttack(scene, () => undefined)).toEqual(refused('below-floor', words, 3));
  });
});

describe('same sequence with other bytes', () => {
  it('on two mirrors: neither is installed, and both mirrors are named', async () => {
    const scene = await attackedNode({ honest: 1 });
    const next = await scene.make('1.1.0');
    const twin = scene.factory.sign({ ...next.manifest, notes: 'other words' }, next.folder);
    scene.publish(next);
    expect(await underAttack(scene, () => scene.evil.publish(twin))).toEqual(
      refused('equivocation', /sequence 2: 'mirror-1' shows 1\.1\.0 .*'mirror-2' shows 1\.1\.0/),
    );
  });

  it('as what was accepted before: it stays what it was', async () => {
    const scene = await attackedNode();
    const next = await scene.make('1.1.0');
    scene.publish(next);
    await expectTaken(scene, '1.1.0');
    const twin = await foreign('1.1.1', { key: scene.factory.key }, 2);
    expect(await underAttack(scene, () => scene.evil.publish(twin))).toEqual(
      refused('equivocation', 'two different manifests have sequence 2', 2),
    );
  });
});

describe('wrong app', () => {
  it('signed by the same maintainer', async () => {
    const scene = await attackedNode();
    const other = await foreign('9.0.0', { key: scene.factory.key, app: 'atoll' });
    const words = "another app: expected 'archipelago', found 'atoll'";
    expect(await underAttack(scene, () => scene.evil.publish(other))).toEqual(
      refused('NO_MANIFEST', words),
    );
  });
});

describe('wrong channel', () => {
  it.each([
    ['in place of the one that is configured', 'stable'],
    ['in place of the default one', undefined],
  ])('signed by the same maintainer, %s', async (_, channel) => {
    const scene = await attackedNode(channel === undefined ? {} : { channel });
    const beta = await foreign('9.0.0', { key: scene.factory.key, channel: 'beta' });
    const words = "another channel: expected 'stable', found 'beta'";
    expect(
      await underAttack(scene, () =>
        scene.evil.publish(beta, channel === undefined ? {} : { channel }),
      ),
    ).toEqual(refused('NO_MANIFEST', words));
  });
});

describe('wrong platform', () => {
  it('of a release that has nothing for this one', async () => {
    const scene = await attackedNode();
    const other = await scene.make('1.1.0', {
      change: ({ components }) =>
        components.forEach(({ artifacts }) =>
          artifacts.forEach((each) => (each.platform = 'plan9-vax')),
        ),
    });
    const attack = (): void => scene.publish(other);
    expect(await underAttack(scene, attack)).toEqual(
      refused('platform', `has nothing for ${hostPlatform()}: web-ui`, 2),
    );
  });

  it("of a program: another platform's bytes under the name of this one's", async () => {
    const scene = await attackedNode();
    const next = await scene.make('1.1.0', { files: { server: '/usr/bin/true' } });
    const wrong = await foreign('1.1.0');
    const attack = (): void => {
      scene.publish(next);
      scene.evil.falsify(artifactOf(next, 1), archiveOf(wrong));
    };
    expect(await underAttack(scene, attack)).toEqual(
      refused(/TOO_LARGE|BAD_ANSWER/, /is not what was signed|is too large/, 2),
    );
  });
});

describe('redirect to another origin', () => {
  it.each([
    ['for the manifest', /manifest\.json$/, 'NO_MANIFEST', 1],
    ['for the signature', /\.minisig$/, 'NO_MANIFEST', 1],
    ['for an archive', /\/download\//, 'REDIRECT_REFUSED', 2],
  ] as const)('%s is not followed', async (_, path, code, floor) => {
    const scene = await attackedNode();
    const elsewhere = await startHostileMirror();
    const next = await scene.make('1.1.0');
    scene.publish(next);
    elsewhere.publish(next);
    const attack = (): void => {
      for (const each of elsewhere.files.keys()) {
        if (!path.test(each)) continue;
        const at = new RegExp(`^/${RegExp.escape(each)}$`);
        scene.evil.break(at, { kind: 'redirect', to: `${elsewhere.url}/${each}` });
      }
    };
    expect(await underAttack(scene, attack)).toEqual(
      refused(code, `redirects to another origin`, floor),
    );
    expect(elsewhere.requests).toEqual([]);
  });
});

describe('corrupt resume', () => {
  it('of what an earlier download left, and of what another mirror began', async () => {
    const scene = await attackedNode({ honest: 1 });
    const next = await scene.make('1.1.0');
    scene.publish(next);
    const [good, path] = [archiveOf(next), artifactOf(next)];
    const left = join(scene.node.state, 'downloads', `${path.split('/').at(-1)}.unverified`);
    mkdirSync(dirname(left), { recursive: true });
    writeFileSync(left, Buffer.alloc(good.length / 2, 'x'));
    // The hostile one is asked first: it answers faster. It sends half of something else and cuts.
    scene.mirrors[1]?.break(/manifest\.json$/, { kind: 'delay', ms: 100 });
    scene.evil.files.set(path, Buffer.alloc(good.length, 'y'));
    scene.evil.break(/\/download\//, { kind: 'truncate' });
    await expectTaken(scene, '1.1.0');
    expect(scene.evil.requests.some(({ url }) => url === `/${path}`)).toBe(true);
    expect(existsSync(left)).toBe(false);
  });
});

describe('swap between verification and use', () => {
  it('of the downloaded file: what was hashed is what is unpacked', async () => {
    const scene = await attackedNode();
    const next = await scene.make('1.1.0');
    scene.publish(next);
    const [path, evil] = [artifactOf(next), archiveOf(await foreign('1.1.0'))];
    const name = join(scene.node.state, 'downloads', `${path.split('/').at(-1)}.unverified`);
    let swapped = 0;
    scene.evil.lie = (asked, honest) => {
      if (asked === path && existsSync(name)) {
        // Another file under the name that the download has, while it comes in.
        writeFileSync(`${name}.evil`, evil);
        renameSync(`${name}.evil`, name);
        swapped += 1;
      }
      return honest;
    };
    await expectTaken(scene, '1.1.0');
    expect(swapped).toBe(1);
  });

  it('of the manifest: what was verified is what is used, whatever is shown later', async () => {
    const scene = await attackedNode();
    const next = await scene.make('1.1.0');
    const forged = await foreign('9.0.0');
    scene.publish(next);
    scene.evil.lie = (path, honest, count) =>
      path === MANIFEST && count > 1 ? forged.bytes : honest;
    const asked = scene.evil.requests.filter(({ url }) => url === `/${MANIFEST}`).length;
    await expectTaken(scene, '1.1.0');
    const after = scene.evil.requests.filter(({ url }) => url === `/${MANIFEST}`).length;
    expect(after - asked).toBe(1);
  });

  it('of the archive: it is read once, and hashed as it comes', async () => {
    const scene = await attackedNode();
    const next = await scene.make('1.1.0');
    scene.publish(next);
    const evil = archiveOf(await foreign('1.1.0'));
    let reads = 0;
    scene.evil.lie = (path, honest, count) => {
      if (path !== artifactOf(next)) return honest;
      reads = count + 1;
      // Once for its size, once to be hashed: what would be read after that is something else.
      return count < 2 ? honest : evil;
    };
    await expectTaken(scene, '1.1.0');
    expect(reads).toBe(2);
  });
});
