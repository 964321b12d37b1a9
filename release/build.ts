/**
 * The steps that make artifacts: run the commands, pack, gate. `release build`
 * runs these alone, `release ship` as part of its list.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { crashPoint, formatBytes } from '@landfall/cli';
import { makeDirectoryDurably } from '@landfall/durable';
import type { Component } from '@landfall/manifest';
import { type Build, need } from './shipment.ts';
import type { Step } from './show.ts';
import { runBefore } from './steps/before.ts';
import { gateRelease } from './steps/gate.ts';
import { packComponent, type Packed } from './steps/pack.ts';
import { versionFolder, writeBuildRecord } from './workspace.ts';

/** Logs stay beside the artifacts. */
const LOGS = 'logs';

/** Runs what `before` says. Whatever an earlier, unsigned build left is removed first. */
export const runCommands: Step<Build> = {
  title: 'run the commands that build',
  async run(build, show) {
    emptyFolder(build.folder);
    build.begun = new Date();
    const count = await runBefore({
      settings: build.settings,
      version: build.version,
      mtime: need(build.source, 'source').mtime,
      logs: join(build.folder, LOGS),
      keepsLogs: build.folder === versionFolder(build.settings, build.version),
      show,
      signal: build.signal,
    });
    show.outcome(count === 0 ? 'none configured' : `${count} done`);
  },
};

/** Packs every component. */
export const pack: Step<Build> = {
  title: 'pack',
  async run(build, show) {
    const components: Component[] = [];
    const packed: Packed[] = [];
    for (const config of build.settings.components) {
      show.live(config.name, 'packing');
      const made = await packComponent(config, {
        settings: build.settings,
        version: build.version,
        folder: build.folder,
        mtime: need(build.source, 'source').mtime,
        signal: build.signal,
      });
      components.push(made.component);
      packed.push(...made.packed);
      for (const each of made.packed) {
        show.line(describePacked(each));
        for (const warning of each.warnings) show.line(`note: ${config.name}: ${warning}`);
      }
    }
    build.components = components;
    build.packed = packed;
    show.outcome(`${packed.length} artifact${packed.length === 1 ? '' : 's'}`);
  },
};

/** Reads every artifact back through the gate and the second reader. */
export const gate: Step<Build> = {
  title: 'gate',
  async run(build, show) {
    const components = need(build.components, 'components');
    const { folder, signal } = build;
    const agreed = await gateRelease(components, { folder, signal });
    show.outcome(`passed, two readers agree on ${agreed} entries`);
  },
};

/** Writes down what was built, for `status` and for comparing with what mirrors have. */
export function recordBuild(build: Build): void {
  const artifacts = need(build.components, 'components').flatMap((component) =>
    component.artifacts.map(({ file, size, sha256 }) => ({ file, size, sha256 })),
  );
  writeBuildRecord(build.folder, { version: build.version, artifacts });
  crashPoint('ship-built');
}

function describePacked({ file, size, tree }: Packed): string {
  const content = tree === undefined ? '' : `, ${tree.entries} entries`;
  return `${file}: ${formatBytes(size)}${content}`;
}

function emptyFolder(folder: string): void {
  makeDirectoryDurably(folder);
  for (const name of readdirSync(folder)) {
    rmSync(join(folder, name), { recursive: true, force: true });
  }
}
