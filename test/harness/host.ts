/** An updater's inside on a temporary node, for tests of single parts. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { generateKeyPair, publicKeyBase64 } from '@landfall/minisign';
import { parseConfig } from '../../updater/config.ts';
import { openHost, type Host } from '../../updater/host.ts';
import { temporaryFolder } from './temporary.ts';

export interface TestHost extends Host {
  /** Lines that were told. */
  notes: string[];
  stop: () => void;
}

export interface TestHostOptions {
  /** For root and state; a fresh one unless given. */
  folder?: string;
  /** The public key to trust; nobody's unless given. */
  key?: string;
  /** Stands in for the key. */
  trust?: string;
  /** Lines added to a small configuration: at its end, and before any table. */
  toml?: string;
  top?: string;
}

/** Opens a host with one mirror, `<folder>/mirror`. */
export function makeHost(options: TestHostOptions = {}): TestHost {
  const folder = options.folder ?? temporaryFolder();
  const [root, state] = [join(folder, 'root'), join(folder, 'state')];
  for (const each of [root, state]) mkdirSync(each, { recursive: true });
  const key = options.key ?? publicKeyBase64(generateKeyPair().publicKey);
  const config = parseConfig(
    [
      'app = "archipelago"',
      options.trust ?? `public_keys = ["${key}"]`,
      `root = "${root}"`,
      `state = "${state}"`,
      options.top ?? '',
      '[[mirrors]]',
      'type = "directory"',
      `path = "${join(folder, 'mirror')}"`,
      options.toml ?? '',
    ].join('\n'),
    'test.toml',
  );
  const controller = new AbortController();
  const notes: string[] = [];
  const host = openHost(config, {
    signal: controller.signal,
    note: (line) => notes.push(line),
    preserve: true,
  });
  return { ...host, notes, stop: () => controller.abort() };
}
