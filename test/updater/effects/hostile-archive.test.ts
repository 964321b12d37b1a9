/**
 * Every hostile archive as if it had been signed, on a node: the release is
 * refused and quarantined, and nothing of it is left anywhere.
 */
import { hash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { contentDigest, deploymentId, releaseTag, type Selected } from '@landfall/manifest';
import { openMirrors } from '@landfall/mirrors';
import { describe, expect, it } from 'vitest';
import { digestsOf, type Offer } from '../../../updater/offer.ts';
import { findQuarantined } from '../../../updater/records/quarantine-file.ts';
import { drive } from '../../../updater/runner.ts';
import { makeHost, type TestHost } from '../../harness/host.ts';
import { makeMirror } from '../../harness/release-factory.ts';
import { temporaryFolder } from '../../harness/temporary.ts';
import { ROWS } from '../../packages/archive/hostile-rows.ts';

/** A release that is this archive, on the host's mirror. Only staging looks at it, so nobody signs it. */
function offerOf(host: TestHost, mirror: string, version: string, bytes: Buffer): Offer {
  const file = `web-ui-${version}.tar.zst`;
  const folder = join(mirror, 'releases/download', releaseTag(version));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, file), bytes);
  const sha256 = hash('sha256', bytes);
  const tree = { digest: 'a'.repeat(64), size: 1_000_000, entries: 1000 };
  const artifact = { platform: 'any', file, size: bytes.length, sha256, tree, deltas: [] };
  const selected: Selected[] = [{ name: 'web-ui', kind: 'tree', artifact }];
  const digest = contentDigest(selected);
  const deployment = { id: deploymentId(version, digest), version, digest, sequence: 1 };
  const mirrors = openMirrors(host.config.mirrors);
  const verified = { manifest: { app: 'archipelago', version, channel: 'stable', sequence: 1 } };
  return { verified, selected, deployment, mirrors } as unknown as Offer;
}

describe('a hostile archive that was signed', () => {
  it('is refused and quarantined by a node, and leaves nothing', { timeout: 120_000 }, async () => {
    const folder = temporaryFolder();
    const mirror = makeMirror(join(folder, 'mirror'));
    const host = makeHost({ folder });
    const rest = host.store.state;
    for (const each of [host.paths.deployments, host.paths.downloads]) mkdirSync(each);
    const left: string[] = [];
    for (const [index, [name, bytes]] of ROWS.entries()) {
      const offer = offerOf(host, mirror, `1.0.${index}`, bytes);
      const { deployment: to } = offer;
      const result = await drive(host, rest, { name: 'found', to, asked: true }, offer);
      if (result.state !== rest) left.push(`${name}: ended in ${result.state.name}`);
      if (findQuarantined(host.store.quarantine, digestsOf(offer)) === undefined) {
        left.push(`${name}: not quarantined: ${String(result.error)}`);
      }
      const there = [host.paths.deployments, host.paths.downloads].flatMap((each) =>
        readdirSync(each),
      );
      if (there.length > 0) left.push(`${name}: left ${there.join(', ')}`);
    }
    expect(left).toEqual([]);
    expect(readdirSync(folder).toSorted()).toEqual(['mirror', 'root', 'state']);
    expect(readdirSync(join(folder, 'root'))).toEqual(['deployments']);
  });

  it('is quarantined also where its download cannot be removed', async () => {
    const folder = temporaryFolder();
    const mirror = makeMirror(join(folder, 'mirror'));
    const host = makeHost({ folder });
    const offer = offerOf(host, mirror, '1.0.0', Buffer.from('no archive'));
    const download = join(host.paths.downloads, 'web-ui-1.0.0.tar.zst.unverified');
    for (const each of offer.mirrors) {
      const open = each.openArtifact.bind(each);
      // Somebody puts a folder in the place of the file while it comes in.
      const openArtifact: typeof open = async (...asked) => {
        rmSync(download);
        mkdirSync(join(download, 'in the way'), { recursive: true });
        return open(...asked);
      };
      Object.assign(each, { openArtifact });
    }
    const found = { name: 'found' as const, to: offer.deployment, asked: true };
    const { error } = await drive(host, host.store.state, found, offer);
    expect(host.notes.join('\n')).toContain('going on without it');
    expect(findQuarantined(host.store.quarantine, digestsOf(offer)), String(error)).toBeDefined();
  });
});
