/**
 * Size and start of the updater: the single executable for this machine, beside
 * the bare runtime that is in it (what no program of it can go below) and the
 * launcher of the checkout.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatBytes, formatTable } from '@landfall/cli';
import { HOUSE } from '../build/bundle.ts';
import { findRuntime, PLATFORMS } from '../build/runtime.ts';
import { buildSingleExecutable } from '../build/single-executable.ts';
import { compare, type Subject } from './measure.ts';

/** The lines to print. `rounds`: how often everything is measured. */
export async function benchStart(rounds: number): Promise<string[]> {
  const platform = PLATFORMS.find((each) => each === `linux-${process.arch}`);
  if (platform === undefined) throw new Error(`no single executable for ${process.arch}`);
  const folder = mkdtempSync(join(tmpdir(), 'landfall-bench-'));
  try {
    const single = join(folder, 'updater');
    await buildSingleExecutable('updater/main.ts', platform, single);
    const runtime = findRuntime(platform);
    const bare = { name: 'node -e 0', argv: [runtime, '-e', '0'], file: runtime };
    const checkout = {
      name: 'checkout: updater --version',
      argv: [join(HOUSE, 'updater/bin/updater'), '--version'],
    };
    const subjects: (Subject & { file?: string })[] = [
      bare,
      checkout,
      { name: 'single: updater --version', argv: [single, '--version'], file: single },
    ];
    const measured = compare(subjects, [bare.name, checkout.name], rounds);
    const rows = subjects.map(({ name, file }) => {
      const found = measured.get(name);
      return [
        name,
        file === undefined ? '–' : formatBytes(statSync(file).size),
        milliseconds(found?.wall),
        milliseconds(found?.cpu),
        times(found?.ratios.get(bare.name)),
        times(found?.ratios.get(checkout.name)),
      ];
    });
    return formatTable(['START', 'SIZE', 'WALL', 'CPU', '/ NODE', '/ CHECKOUT'], rows);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? '–' : `${value.toFixed(0)} ms`;
}

function times(value: number | undefined): string {
  return value === undefined ? '–' : value.toFixed(2);
}
