/** The configuration that `release init` writes. */

/** Where the first key goes unless told. */
export const DEFAULT_KEY = 'keys/release.key';

/** What git must not see: a mirror in the project changes with every release, and a key may be on its way to its name. */
export const IGNORED: readonly string[] = ['.release/', 'keys/*.key*', '/mirror/'];

/** A commented configuration for `app`. `publicKey` is filled in when it is known. */
export function configTemplate(app: string, publicKey: string | undefined): string {
  return `// How ${app} is released. 'release --help' tells what can be done with it.
import { defineConfig } from '@landfall/release';

export default defineConfig({
  app: '${app}',

  // The default channel's name. 'release ship --channel beta' ships to another.
  channel: 'stable',

  keys: {
    // 'release keygen' makes it. Its password comes from LANDFALL_KEY_PASSWORD,
    // LANDFALL_KEY_PASSWORD_FILE, or is asked for.
    secret: ['${DEFAULT_KEY}'],
    // The line that 'release keygen' printed. Nodes have the same one.
    public: ['${publicKey ?? 'RW…'}'],
    threshold: 1,
  },

  // Where releases go. Shipping succeeds when most of them have everything.
  mirrors: [
    // A folder, served by any web server or by 'mirrors serve'. Make it a mirror
    // once, with: mirrors init mirror
    { type: 'directory', path: 'mirror' },
    // { type: 'gitea', url: 'https://git.example.org', repository: 'owner/name', token: { env: 'GITEA_TOKEN' } },
  ],
  // quorum: 1,

  // After so many days nodes do not install it any more: ship something newer before.
  expiresDays: 90,

  // Nodes that run one of so many releases before download only what changed.
  deltas: 3,

  components: [
    {
      name: 'web-ui',
      kind: 'tree', // a folder, packed whole
      before: [['npm', 'run', 'build']], // a program and its arguments, no shell
      from: 'dist',
      // extra: [{ from: 'icons', at: 'assets/icons' }],
      // exclude: ['**/*.map'],
    },
    // {
    //   name: '${app}',
    //   kind: 'file', // one program per platform
    //   platforms: { 'linux-x64': 'build/${app}-x64', 'linux-arm64': 'build/${app}-arm64' },
    // },
  ],
});
`;
}
