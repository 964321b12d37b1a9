/** How stories on a machine with a real systemd begin, and what all of them end with. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { exampleWebUi, type Release } from './release-factory.ts';
import {
  type MachineNode,
  makeMachineNode,
  type MachineNodeOptions,
  UNIT,
} from './systemd-machine-node.ts';

export interface Story {
  node: MachineNode;
  /** Release 1.0.0, which runs, and the pid of its backend. */
  old: Release;
  oldPid: number;
}

/** A node that runs 1.0.0, committed. */
export async function beginStory(options: MachineNodeOptions = {}): Promise<Story> {
  const node = await makeMachineNode(options);
  const old = await node.ship('1.0.0');
  const installed = await node.updater('apply');
  expect(installed, installed.stdout + installed.stderr).toMatchObject({ code: 0 });
  return { node, old, oldPid: await expectRuns(node, old) };
}

/** `release` is what runs: link, page, backend's file. Returns the backend's pid. */
export async function expectRuns(node: MachineNode, release: Release): Promise<number> {
  expect(node.current()).toBe(release.deploymentId);
  expect(node.hasMarker()).toBe(false);
  const backend = await node.backend();
  expect(backend?.exe).toBe(node.serverOf(release));
  const page = exampleWebUi(release.manifest.version)['index.html'];
  expect(await node.visit()).toEqual({ status: 200, body: page });
  return backend?.pid ?? 0;
}

/** Waits until `state.json` says `name`. Throws with the units' journal when it does not in time. */
export async function untilState(
  node: MachineNode,
  name: string,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const { state } = (node.read('state.json') ?? {}) as { state?: { name?: string } };
    if (state?.name === name && !node.hasMarker()) return;
    if (performance.now() > deadline) {
      const journal = await node.machine.journal({ unit: 'updater*' });
      throw new Error(`expected state '${name}', found '${state?.name}'\n${journal}`);
    }
    await sleep(200);
  }
}

export async function installUnits(node: MachineNode, ...args: readonly string[]): Promise<void> {
  const installed = await node.updater('units', 'install', ...args);
  expect(installed, installed.stdout + installed.stderr).toMatchObject({ code: 0 });
}

/** Lets the backend crash again and again, until systemd gives it up and calls the updater. */
export async function crashUntilGivenUp({ machine }: MachineNode): Promise<void> {
  const called = async (): Promise<string> =>
    machine.property('updater-failed@archipelago.service', 'InvocationID');
  const before = await called();
  while ((await called()) === before) {
    await machine.run(['systemctl', 'kill', '--kill-whom=main', '--signal=SEGV', UNIT]);
  }
}
