/** A node as it is in the field: nginx serves a plain folder, and no updater was ever there. */
import { chmodSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import { type Nginx, startNginx } from './nginx.ts';
import { makeNode, type TestNode } from './node.ts';
import {
  exampleWebUi,
  makeMirror,
  publish,
  ReleaseFactory,
  type ReleaseSpec,
  writeFiles,
} from './release-factory.ts';
import { temporaryFolder } from './temporary.ts';

export interface Field {
  folder: string;
  node: TestNode;
  nginx: Nginx;
  /** `<root>/web-ui`, which nginx serves. */
  ui: string;
  ship: (version: string, spec?: Partial<ReleaseSpec>) => Promise<void>;
  visit: (path?: string) => Promise<{ status: number; body: string }>;
}

/** A node that serves 1.0.0 from a plain folder, of which the mirror knows. */
export async function inTheField(): Promise<Field> {
  const folder = temporaryFolder();
  chmodSync(folder, 0o755);
  const factory = new ReleaseFactory(join(folder, 'releases'));
  const mirror = makeMirror(join(folder, 'mirror'));
  let nginx: Nginx | undefined;
  const node = await makeNode({
    keys: [factory.publicKey],
    mirrors: [mirror],
    serve: async (root) => {
      writeFiles(join(root, 'web-ui'), exampleWebUi('1.0.0'));
      nginx = await startNginx({ folder: join(folder, 'nginx'), root: join(root, 'web-ui') });
      return `${nginx.url}/`;
    },
    top: ['probation = "0s"', 'web_user = "www-data"'],
  });
  if (nginx === undefined) throw new Error('nginx was not started');
  const { url } = nginx;
  const field: Field = {
    folder,
    node,
    nginx,
    ui: join(node.root, 'web-ui'),
    ship: async (version, spec = {}) =>
      publish(await factory.make({ version, webUi: exampleWebUi(version), ...spec }), mirror),
    visit: async (path = '/') => {
      const response = await fetch(url + path, { signal: AbortSignal.timeout(10_000) });
      return { status: response.status, body: await response.text() };
    },
  };
  await field.ship('1.0.0');
  return field;
}

export const isLink = (path: string): boolean => lstatSync(path).isSymbolicLink();
