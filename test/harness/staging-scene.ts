/** Releases that are staged and switched to one after the other, in this process. */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { contentDigest, hostPlatform, selectArtifacts } from '@landfall/manifest';
import { openMirrors } from '@landfall/mirrors';
import { expect } from 'vitest';
import { findDamage } from '../../updater/deployments.ts';
import { stage, type Stageable } from '../../updater/effects/stage.ts';
import { switchCurrent } from '../../updater/effects/switch.ts';
import { makeHost, type TestHost } from './host.ts';
import {
  exampleWebUi,
  type Files,
  makeMirror,
  publish,
  type Release,
  ReleaseFactory,
  type ReleaseSpec,
} from './release-factory.ts';
import { temporaryFolder } from './temporary.ts';

export interface Staged extends Stageable {
  release: Release;
  /** A path in its deployment. */
  at: (path: string) => string;
}

export interface StagingScene {
  host: TestHost;
  /** The mirror's folder. */
  mirror: string;
  folder: string;
  /** Makes a release and publishes it. Its UI is the example, with `files`. */
  make: (version: string, files?: Files, spec?: Partial<ReleaseSpec>) => Promise<Staged>;
  /** Stages it, switches to it and expects it to be whole. */
  run: (staged: Staged) => Promise<Staged>;
}

/** `top`: lines of the configuration. */
export function makeStagingScene(top = ''): StagingScene {
  const folder = temporaryFolder();
  chmodSync(folder, 0o755);
  const factory = new ReleaseFactory(join(folder, 'releases'));
  const mirror = makeMirror(join(folder, 'mirror'));
  // Nothing is probed here: no process looks at each release as the web server's user.
  const toml = '[probe]\ncomponent = "none"';
  const host = makeHost({ folder, key: factory.publicKey, top, toml });
  return {
    host,
    mirror,
    folder,
    make: async (version, files = {}, spec = {}) => {
      const webUi = { ...exampleWebUi(version), ...files };
      const release = await factory.make({ version, webUi, ...spec });
      publish(release, mirror);
      return toStaged(host, release);
    },
    run: async (staged) => {
      await stage(host, staged);
      expect(findDamage(host.paths, staged.deployment)).toBeUndefined();
      switchCurrent(host.paths, staged.deployment);
      host.store.lookAgain();
      return staged;
    },
  };
}

function toStaged(host: TestHost, release: Release): Staged {
  const { manifest, deploymentId: id } = release;
  const { version, sequence } = manifest;
  const selected = selectArtifacts(manifest, hostPlatform());
  return {
    release,
    deployment: { id, version, digest: contentDigest(selected), sequence },
    selected,
    mirrors: openMirrors(host.config.mirrors),
    at: (path) => join(host.paths.deployments, id, path),
  };
}
