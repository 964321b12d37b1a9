/** A project with root documents, a halted version, and keys to replace the release key with. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Halt } from '@landfall/manifest';
import { generateKeyPair } from '@landfall/minisign';
import { expect } from 'vitest';
import { type Project, useProject } from './project.ts';
import { writeKey } from './two-people.ts';

/** What each mirror says is halted, believed or not. */
export const haltsOn = (site: Project): Halt[] =>
  site.mirrors.map(
    ({ directory }) =>
      JSON.parse(readFileSync(join(directory, 'releases/halt.json'), 'utf8')) as Halt,
  );

/** Serial and versions, the same on all mirrors. */
export function haltedOn(site: Project): unknown {
  const [first, ...others] = haltsOn(site).map(({ serial, halted }) => [
    serial,
    halted.map(({ version }) => version),
  ]);
  for (const each of others) expect(each).toEqual(first);
  return first;
}

/** Root key and release key are on one machine; both mirrors have 1.0.0, and 1.1.0 is halted. */
export async function useHalted(): Promise<Project> {
  const site = await useProject({
    mirrors: ['oslo', 'lima'],
    configure: (config) => config.components.splice(1),
  });
  for (const name of ['root', 'second']) {
    await writeKey(join(site.directory, 'keys'), name, generateKeyPair());
  }
  expect(await site.release(['trust', 'init', '--root-key', 'keys/root.pub'])).toMatchObject({
    code: 0,
  });
  await signRoot(site, 1);
  site.config.keys = { secret: ['keys/release.key'], root: 'trust' };
  site.writeConfig();
  expect(await site.release(['ship', '1.0.0'])).toMatchObject({ code: 0 });
  // What is not even built here is known to nobody.
  expect(await site.release(['build', '1.1.0'])).toMatchObject({ code: 0 });
  const halt = await site.release(['halt', '1.1.0', '--reason', 'page is blank']);
  expect(halt).toMatchObject({ code: 0 });
  return site;
}

async function signRoot(site: Project, version: number): Promise<void> {
  const args = ['sign', `trust/root-${version}.json`, '--key', 'keys/root.key'];
  expect(await site.release(args)).toMatchObject({ code: 0 });
}

/** Makes and signs the next root document. */
export async function rotate(site: Project, version: number, ...changes: string[]): Promise<void> {
  expect(await site.release(['trust', 'rotate', ...changes])).toMatchObject({ code: 0 });
  await signRoot(site, version);
}
