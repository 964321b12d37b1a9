/** A maintainer, a mirror and a node, ready for a story. */
import { join } from 'node:path';
import { makeNode, type NodeOptions, type TestNode } from './node.ts';
import {
  exampleWebUi,
  makeMirror,
  publish,
  type Release,
  ReleaseFactory,
  type ReleaseSpec,
} from './release-factory.ts';
import { temporaryFolder } from './temporary.ts';

export interface World {
  folder: string;
  factory: ReleaseFactory;
  /** Folder of the mirror. */
  mirror: string;
  node: TestNode;
  /** Makes a release (the example UI unless told) and publishes it on the mirror. */
  ship: (version: string, spec?: Partial<ReleaseSpec>) => Promise<Release>;
}

export async function makeWorld(options: Partial<NodeOptions> = {}): Promise<World> {
  const folder = temporaryFolder();
  const factory = new ReleaseFactory(join(folder, 'releases'));
  const mirror = makeMirror(join(folder, 'mirror'));
  const node = await makeNode({ keys: [factory.publicKey], mirrors: [mirror], ...options });
  const ship = async (version: string, spec: Partial<ReleaseSpec> = {}): Promise<Release> => {
    const release = await factory.make({ version, webUi: exampleWebUi(version), ...spec });
    publish(release, mirror);
    return release;
  };
  return { folder, factory, mirror, node, ship };
}
