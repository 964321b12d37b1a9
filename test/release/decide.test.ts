import type { Manifest } from '@landfall/manifest';
import { generateKeyPair } from '@landfall/minisign';
import type { VerifiedManifest } from '@landfall/trust';
import { describe, expect, it } from 'vitest';
import { decide, type Situation } from '../../release/decide.ts';
import { errorOf } from '../harness/errors.ts';
import { verified } from '../harness/signed-manifests.ts';

const key = generateKeyPair();

function release(
  version: string,
  sequence: number,
  changes: Partial<Manifest> = {},
): VerifiedManifest {
  const previous = sequence === 1 ? null : { sequence: sequence - 1, sha256: '0'.repeat(64) };
  return verified(key, { version, sequence, previous, withdrawn: [], ...changes });
}

/** A release that follows another, as `ship` makes it. */
function after(first: VerifiedManifest, version: string, sequence = first.manifest.sequence + 1) {
  const previous = { sequence: first.manifest.sequence, sha256: first.sha256 };
  return release(version, sequence, { previous });
}

function situation(changes: Partial<Situation>): Situation {
  return {
    version: '1.1.0',
    channel: 'alpha',
    best: undefined,
    local: undefined,
    localSequence: 0,
    built: undefined,
    ...changes,
  };
}

const one = release('1.0.0', 7);
const artifacts = (of: VerifiedManifest) =>
  of.manifest.components.flatMap((component) =>
    component.artifacts.map(({ file, sha256 }) => ({ file, sha256 })),
  );

describe('a new release', () => {
  it('begins the sequence at 1 on empty mirrors', () => {
    expect(decide(situation({}))).toEqual({
      kind: 'new',
      place: { sequence: 1, previous: null, withdrawn: [], reasons: {} },
    });
  });

  it('follows the newest manifest and keeps its withdrawals', () => {
    const reasons = { '0.9.0': 'answers 500' };
    const best = release('1.0.0', 7, { withdrawn: ['0.9.0'], withdrawnReasons: reasons });
    const previous = { sequence: 7, sha256: best.sha256 };
    expect(decide(situation({ best }))).toEqual({
      kind: 'new',
      place: { sequence: 8, previous, withdrawn: ['0.9.0'], reasons },
    });
  });

  it('is refused when the channel withdrew that version, newer or not', async () => {
    const reasons = { '1.1.0': 'answers 500' };
    const best = release('1.0.0', 7, { withdrawn: ['1.1.0'], withdrawnReasons: reasons });
    for (const local of [undefined, release('1.1.0', 6)]) {
      const error = await errorOf(() => decide(situation({ best, local })));
      expect(error).toMatchObject({ code: 'WITHDRAWN', exit: 3 });
      expect((error as Error).message).toContain('answers 500');
    }
  });

  it('never gives out a sequence that was signed here, even if no mirror shows it', () => {
    const decision = decide(situation({ best: one, localSequence: 9 }));
    expect(decision).toMatchObject({
      kind: 'new',
      place: { sequence: 10, previous: { sequence: 7, sha256: one.sha256 } },
    });
  });

  it.each([
    ['1.0.0', '1.0.0-rc.1'],
    ['1.0.0', '0.9.9'],
    ['1.2.0-beta.2', '1.2.0-beta.1'],
    ['1.10.0', '1.9.0'],
  ])('is refused when mirrors have %s and it is %s', async (newest, version) => {
    const best = release(newest, 3);
    const error = await errorOf(() => decide(situation({ version, best })));
    expect(error).toMatchObject({ code: 'VERSION_NOT_NEWER', exit: 2 });
    expect(error.message).toContain(newest);
    expect(error.message).toContain(version);
  });
});

describe('a release that was signed here', () => {
  const local = after(one, '1.1.0');

  it.each([
    ['no mirror has anything', undefined],
    ['mirrors have its predecessor', one],
    ['only lagging mirrors are up', release('0.9.0', 3)],
    ['a mirror has it already', local],
  ])('is finished when %s', (_, best) => {
    expect(decide(situation({ best, local }))).toEqual({ kind: 'resume' });
  });

  it('is refused when another release took its sequence', async () => {
    const best = release('1.1.1', local.manifest.sequence);
    const error = await errorOf(() => decide(situation({ best, local })));
    expect(error).toMatchObject({ code: 'SUPERSEDED', exit: 3 });
    expect(error.hint).toContain("remove '.release/1.1.0'");
  });

  it('is refused when newer ones were shipped meanwhile', async () => {
    const best = release('1.2.0', local.manifest.sequence + 1);
    const error = await errorOf(() => decide(situation({ best, local })));
    expect(error).toMatchObject({ code: 'SUPERSEDED' });
    expect(error.message).toContain('overtaken by 1.2.0');
  });

  it('is refused when its predecessor is not what mirrors have under that sequence', async () => {
    const best = release('1.0.0', 7, { notes: 'another' });
    const error = await errorOf(() => decide(situation({ best, local })));
    expect(error).toMatchObject({ code: 'EQUIVOCATION', exit: 3 });
  });

  it('is refused when mirrors have its version with other artifacts, naming them', async () => {
    const best = release('1.1.0', 8, { components: local.manifest.components.slice(0, 1) });
    const error = await errorOf(() => decide(situation({ best, local })));
    expect(error).toMatchObject({ code: 'BYTES_DIFFER', exit: 3 });
    expect(error.message).toContain('archipelago-1.7.41-alpha-linux-x64.zst');
    expect(error.message).not.toContain('web-ui');
  });

  it('gives way to a later manifest of the same version and artifacts', () => {
    const best = release('1.1.0', 9);
    expect(decide(situation({ best, local }))).toEqual({ kind: 'adopt' });
  });

  it('gives way also when that has other deltas, but not when one of a name differs', async () => {
    const withDelta = (sequence: number, file: string, digit: string) => {
      const [tree, ...others] = structuredClone(local.manifest.components);
      tree!.artifacts[0]!.deltas = [{ file, size: 1, sha256: digit.repeat(64) }];
      return release('1.1.0', sequence, { components: [tree!, ...others] });
    };
    const here = withDelta(8, 'a.delta', '1');
    for (const best of [release('1.1.0', 9), withDelta(9, 'b.delta', '2')]) {
      expect(decide(situation({ best, local: here }))).toEqual({ kind: 'adopt' });
      expect(decide(situation({ best: here, built: artifacts(best) }))).toEqual({ kind: 'adopt' });
    }
    const best = withDelta(9, 'a.delta', '2');
    const error = await errorOf(() => decide(situation({ best, local: here })));
    expect(error).toMatchObject({ code: 'BYTES_DIFFER' });
    expect(error.message).toContain('a.delta');
  });
});

describe('a version that only mirrors know', () => {
  const best = release('1.1.0', 8);

  it('is taken over when nothing was built here', () => {
    expect(decide(situation({ best }))).toEqual({ kind: 'adopt' });
  });

  it('is taken over when the same was built here', () => {
    expect(decide(situation({ best, built: artifacts(best) }))).toEqual({ kind: 'adopt' });
  });

  it('is refused when something else was built here', async () => {
    const built = artifacts(best).map((each, index) =>
      index === 0 ? { ...each, sha256: 'f'.repeat(64) } : each,
    );
    const error = await errorOf(() => decide(situation({ best, built })));
    expect(error).toMatchObject({ code: 'BYTES_DIFFER', exit: 3 });
    expect(error.message).toContain(built[0]?.file);
  });
});
