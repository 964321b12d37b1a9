/**
 * A node whose mirrors are down, slow, stale or lying, all but one, in every
 * way at once: it updates from the one that is right and names each of the others.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startFaultyMirror } from '../harness/faulty-mirror.ts';
import type { Fault } from '../harness/http-faults.ts';
import { makeNode, type TestNode } from '../harness/node.ts';
import { exampleWebUi, makeMirror, publish, ReleaseFactory } from '../harness/release-factory.ts';
import { temporaryFolder } from '../harness/temporary.ts';

const INDEX = /manifest\.json/;
const ARTIFACTS = /releases\/download/;

interface Bad {
  what: string;
  fault: Fault;
  /** What its line must say. */
  says: RegExp;
}

/** Kinds of bad answers for any file; `late` is what a reader of this kind says of a body that does not come. */
const bad = (late: RegExp): Bad[] => [
  {
    what: 'drops connections',
    fault: { kind: 'drop-before' },
    says: /closed the connection|connection/,
  },
  { what: 'answers 502', fault: { kind: 'status', status: 502 }, says: /502/ },
  { what: 'stalls in the body', fault: { kind: 'stall', bytes: 100 }, says: late },
  { what: 'is slow', fault: { kind: 'slow', bytesPerSecond: 20 }, says: late },
  { what: 'cuts the body', fault: { kind: 'truncate' }, says: /./ },
  { what: 'sends too little', fault: { kind: 'short' }, says: /./ },
  { what: 'sends wrong bytes', fault: { kind: 'wrong-bytes' }, says: /signature|sha256|signed/ },
  { what: 'sends an HTML page with 200', fault: { kind: 'html' }, says: /HTML/ },
  { what: 'sends an endless body', fault: { kind: 'endless' }, says: /too large/ },
  {
    what: 'redirects elsewhere',
    fault: { kind: 'redirect', to: 'http://127.0.0.2:9/x' },
    says: /redirect/,
  },
];

interface Setup {
  node: TestNode;
  factory: ReleaseFactory;
  /** Folder that all HTTP mirrors but the stale one serve. */
  folder: string;
}

/** A node with a mirror per bad kind, on requests that match `path`, and a good one last. */
async function makeNodeAmong(
  kinds: readonly Bad[],
  path: RegExp,
  extra: readonly string[] = [],
): Promise<Setup> {
  const work = temporaryFolder();
  const factory = new ReleaseFactory(join(work, 'releases'));
  const folder = makeMirror(join(work, 'mirror'));
  const addresses: string[] = [...extra];
  for (const { fault } of kinds) {
    const server = await startFaultyMirror(folder);
    server.rules.push({ path, fault });
    onTestFinished(() => server.stop());
    addresses.push(server.url);
  }
  // The good one answers last, so that the others are asked first.
  const good = await startFaultyMirror(folder);
  good.rules.push({ path: INDEX, fault: { kind: 'delay', ms: 1500 } });
  onTestFinished(() => good.stop());
  const node = await makeNode({ keys: [factory.publicKey], mirrors: [...addresses, good.url] });
  return { node, factory, folder };
}

function expectNamed(output: string, kinds: readonly Bad[], first = 1): void {
  const lines = output.split('\n');
  for (const [index, { what, says }] of kinds.entries()) {
    const name = `'mirror-${index + first}'`;
    const line = lines.find((each) => each.includes(name) && says.test(each));
    expect(
      line,
      `the mirror that ${what} is ${name}; it is not named with ${says} in\n${output}`,
    ).toBeDefined();
  }
}

describe('a node among bad mirrors', () => {
  it('finds the release when the index of all but one is bad', async () => {
    const stale = makeMirror(join(temporaryFolder(), 'stale'));
    const kinds = bad(/within|too slow/);
    const { node, factory, folder } = await makeNodeAmong(kinds, INDEX, [
      stale,
      '/nonexistent/mirror',
    ]);
    publish(await factory.make({ version: '1.0.0', webUi: exampleWebUi('1.0.0') }), stale);
    publish(await factory.make({ version: '1.1.0', webUi: exampleWebUi('1.1.0') }), folder);
    const outcome = await node.updater(['apply']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    expect(node.current()).toMatch(/^1\.1\.0-/);
    expectNamed(outcome.stderr, kinds, 3);
    expect(outcome.stderr).toMatch(/'mirror-2'.*not/);
    // What is only behind is not an error, but it is seen.
    const status = await node.updater(['status']);
    expect(status.stdout).toContain("'mirror-1'");
  });

  it('downloads the release when the artifacts of all but one are bad', async () => {
    const kinds = bad(/too slow/);
    const { node, factory, folder } = await makeNodeAmong(kinds, ARTIFACTS);
    // Bytes that do not compress: large enough to be slow and to be cut.
    const webUi = { ...exampleWebUi('1.0.0'), 'assets/photo.bin': randomBytes(200_000) };
    publish(await factory.make({ version: '1.0.0', webUi }), folder);
    const outcome = await node.updater(['apply'], { timeoutMs: 110_000 });
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    expect(node.current()).toMatch(/^1\.0\.0-/);
    expectNamed(outcome.stderr, kinds);
  });

  it('does nothing, and says why, when all are bad', async () => {
    const work = temporaryFolder();
    const factory = new ReleaseFactory(join(work, 'releases'));
    const folder = makeMirror(join(work, 'mirror'));
    publish(await factory.make({ version: '1.0.0', webUi: exampleWebUi('1.0.0') }), folder);
    const server = await startFaultyMirror(folder);
    onTestFinished(() => server.stop());
    const node = await makeNode({ keys: [factory.publicKey], mirrors: [server.url] });
    expect(await node.updater(['apply'])).toMatchObject({ code: 0 });
    publish(await factory.make({ version: '1.1.0', webUi: exampleWebUi('1.1.0') }), folder);
    server.rules.push({ path: ARTIFACTS, fault: { kind: 'wrong-bytes' } });
    const outcome = await node.updater(['apply']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 1 });
    expect(outcome.stderr).toMatch(/'mirror-1'.*sha256/);
    expect(node.current()).toMatch(/^1\.0\.0-/);
    expect(node.quarantined()).toEqual([]);
    // The mirror is repaired: the same release is taken.
    server.rules.length = 0;
    expect(await node.updater(['apply'])).toMatchObject({ code: 0 });
    expect(node.current()).toMatch(/^1\.1\.0-/);
  });
});
