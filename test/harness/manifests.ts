/** A manifest that fits the schema, to be changed by tests one field at a time. */
import type { Manifest } from '@landfall/manifest';

const digest = (digit: string): string => digit.repeat(64);

/** The example of the design, with every field. A fresh copy each time. */
export function exampleManifest(): Manifest {
  return {
    schema: 1,
    app: 'archipelago',
    channel: 'alpha',
    version: '1.7.41-alpha',
    sequence: 41,
    published: '2026-04-22T19:00:00Z',
    expires: '2026-07-21T19:00:00Z',
    previous: { sequence: 40, sha256: digest('a') },
    commit: '0123456789abcdef0123456789abcdef01234567',
    notes: 'what changed',
    components: [
      {
        name: 'web-ui',
        kind: 'tree',
        artifacts: [
          {
            platform: 'any',
            file: 'web-ui-1.7.41-alpha.tar.zst',
            size: 1000,
            sha256: digest('b'),
            tree: { digest: digest('c'), size: 2000, entries: 3 },
            deltas: [],
          },
        ],
      },
      {
        name: 'archipelago',
        kind: 'file',
        artifacts: [
          {
            platform: 'linux-x64',
            file: 'archipelago-1.7.41-alpha-linux-x64.zst',
            size: 500,
            sha256: digest('d'),
            mode: 0o755,
            contentSha256: digest('e'),
            contentSize: 900,
            deltas: [],
          },
        ],
      },
    ],
    requires: { updater: '>=0.1.0', from: '>=1.7.30' },
    rollout: { steps: [] },
    withdrawn: ['1.7.38-alpha', '1.7.39-alpha'],
  };
}
