/**
 * A node in a temporary folder: root, state, configuration, and a web server
 * in front of it; and the real `updater` command against it.
 */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { type CommandOptions, type Outcome, runCommand } from './command.ts';
import { temporaryFolder } from './temporary.ts';
import { WebServer } from './web-server.ts';

export interface NodeOptions {
  /** Public keys to trust. */
  keys: readonly string[];
  /** Folders or addresses of directory mirrors. */
  mirrors: readonly string[];
  app?: string;
  channel?: string;
  /** Where the UI is probed; the node's own small web server unless given. `root` is the node's root. */
  serve?: (root: string) => Promise<string>;
  /** Folder for root and state, which must be there; the node's own unless given. */
  place?: (folder: string) => string;
  /** Keys of `[probe]` that differ from the quick ones that tests use. */
  probe?: Readonly<Record<string, string | number>>;
  /** Lines of TOML at the top, before any table. */
  top?: readonly string[];
  /** Lines of TOML at the end: more tables. */
  tables?: readonly string[];
}

/** Quick, but with several passes in a row all the same. */
const QUICK_PROBE = { window: '2s', interval: '40ms', timeout: '2s', passes: 3 };

export class TestNode {
  readonly folder: string;
  readonly root: string;
  readonly state: string;
  /** Path of the configuration. */
  readonly config: string;
  /** The small web server; undefined when `serve` was given. */
  readonly server: WebServer | undefined;

  constructor(folder: string, place: string, server: WebServer | undefined) {
    this.folder = folder;
    this.root = join(place, 'root');
    this.state = join(place, 'state');
    this.config = join(folder, 'updater.toml');
    this.server = server;
  }

  /** The small web server. Throws when the node is served otherwise. */
  get web(): WebServer {
    if (this.server === undefined) throw new Error('this node is served by something else');
    return this.server;
  }

  /** Runs `updater ARGS --config …` to its end. */
  async updater(args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
    return runCommand('updater', [...args, '--config', this.config], options);
  }

  /** Runs it with `--json` and reads what it printed. */
  async json(args: readonly string[], options: CommandOptions = {}): Promise<unknown> {
    const outcome = await this.updater([...args, '--json'], options);
    return JSON.parse(outcome.stdout);
  }

  /** Id of the deployment that `current` points at; undefined without one. */
  current(): string | undefined {
    const link = join(this.root, 'current');
    if (lstatSync(link, { throwIfNoEntry: false }) === undefined) return undefined;
    return basename(readlinkSync(link));
  }

  /** The page that `current` leads to, as bytes on the disk; undefined without one. */
  page(): string | undefined {
    const file = join(this.root, 'current/web-ui/index.html');
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  }

  /** A file of the state folder, parsed; undefined when it is not there. */
  read(name: string): unknown {
    const file = join(this.state, name);
    return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
  }

  /** Sequence of the floor; 0 without one. */
  floor(): number {
    const file = this.read('floor.json') as { floors: { sequence: number }[] } | undefined;
    return file?.floors[0]?.sequence ?? 0;
  }

  /** Versions in quarantine. */
  quarantined(): string[] {
    const file = this.read('quarantine.json') as { entries: { version: string }[] } | undefined;
    return file?.entries.map((entry) => entry.version) ?? [];
  }

  /** The state's name in `state.json`; undefined without the file. */
  stateName(): string | undefined {
    const file = this.read('state.json') as { state: { name: string } } | undefined;
    return file?.state.name;
  }

  hasMarker(): boolean {
    return existsSync(join(this.state, 'pending-verification.json'));
  }

  /** Lines of the journal. */
  journal(): Record<string, unknown>[] {
    const file = join(this.state, 'journal.jsonl');
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

/** Makes the folders, the configuration and the web server. Everything goes when the running test ends. */
export async function makeNode(options: NodeOptions): Promise<TestNode> {
  const folder = temporaryFolder();
  const place = options.place?.(folder) ?? folder;
  const root = join(place, 'root');
  mkdirSync(join(place, 'state'), { mode: 0o700 });
  mkdirSync(root);
  // mkdtemp makes folders that only their owner may enter; a web server's user must get through.
  for (const path of [folder, place, root]) chmodSync(path, 0o755);
  const server = options.serve === undefined ? await WebServer.start(root) : undefined;
  const node = new TestNode(folder, place, server);
  const url = server?.url ?? (await options.serve?.(root)) ?? '';
  writeFileSync(node.config, configuration(node, url, options), { mode: 0o644 });
  return node;
}

function configuration(node: TestNode, url: string, options: NodeOptions): string {
  const probe = { url, ...QUICK_PROBE, ...options.probe };
  return [
    `app = ${quote(options.app ?? 'archipelago')}`,
    ...(options.channel === undefined ? [] : [`channel = ${quote(options.channel)}`]),
    `public_keys = [${options.keys.map(quote).join(', ')}]`,
    `root = ${quote(node.root)}`,
    `state = ${quote(node.state)}`,
    ...(options.top ?? ['probation = "0s"']),
    ...options.mirrors.flatMap((mirror, index) => [
      '[[mirrors]]',
      'type = "directory"',
      `name = "mirror-${index + 1}"`,
      `${mirror.startsWith('/') ? 'path' : 'url'} = ${quote(mirror)}`,
    ]),
    '[probe]',
    ...Object.entries(probe).map(
      ([key, value]) => `${key} = ${typeof value === 'number' ? value : quote(value)}`,
    ),
    ...(options.tables ?? []),
    '',
  ].join('\n');
}

function quote(text: string): string {
  return JSON.stringify(text);
}
