/**
 * A whole update of a node, from the start of the command to the moment when
 * `current` leads to the new release, beside a script that does the same with
 * the usual programs. Services and probes come after the switch and are not in it.
 */
import { execFileSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bench, type Group, quote, shell } from '../bench.ts';
import { type Figure, figureOf } from '../figures.ts';
import { compare, type Contender, type Run } from '../measure.ts';
import { makeSite, type Site } from '../site.ts';
import { webUi } from '../workloads.ts';
import { singleExecutable } from './start.ts';

const PEER = 'curl, minisign -V, tar, sync -f, mv';
/** A line of 100 Mbit/s, in bytes a second. */
const LINE = 12_500_000;

export const update: Group = {
  name: 'update',
  title: 'Whole update, download to switch',
  async run(bench) {
    const { single } = await singleExecutable(bench);
    const full = { step: 'update, full', to: 'new', atMost: 1.1 } as const;
    const delta = { step: 'update, by delta', to: 'small', atMost: 0.5 } as const;
    const figures: Figure[] = [];
    for (const row of [full, delta]) {
      figures.push(await race(bench, single, row));
      const step = `${row.step}, 100 Mbit/s`;
      figures.push(await race(bench, single, { ...row, step, rate: LINE }));
    }
    return figures;
  },
};

interface Row {
  step: string;
  to: 'new' | 'small';
  atMost: number;
  /** Of the line to the mirror, in bytes a second. */
  rate?: number;
}

async function race(
  bench: Bench,
  single: string,
  { step, to, atMost, rate }: Row,
): Promise<Figure> {
  bench.say(step);
  const trees = { old: webUi('old', bench), new: webUi(to, bench) };
  const site = await makeSite(bench, { trees, deltas: to === 'small', rate });
  try {
    const runs = await compare([applyOn(site, single), theirs(site)], { rounds: bench.rounds });
    return figureOf(runs, {
      step,
      what: 'time',
      ours: 'ours',
      peer: PEER,
      of: toSwitch,
      goal: { of: 'ratio', atMost },
    });
  } finally {
    await site.stop();
    execFileSync('rm', ['-rf', join(bench.scratch, 'site')]);
  }
}

/** Milliseconds until `current` led to the new release. */
export function toSwitch({ more }: Run): number {
  return more['toSwitch'] ?? Number.NaN;
}

/** The moment when a link got its name is its change time. */
function sinceSwitch(link: string): (began: number) => { toSwitch: number } {
  return (began) => ({ toSwitch: lstatSync(link).ctimeMs - began });
}

/** `updater apply` on a node that runs the old release, until the switch. */
export function applyOn(site: Site, single: string): Contender {
  const apply = [single, 'apply', '--config', site.config];
  return {
    name: 'ours',
    argv: apply,
    prepare: () => {
      site.emptyNode();
      site.serve('old');
      const [program = '', ...args] = apply;
      execFileSync(program, args, { stdio: 'ignore' });
      site.serve('new');
      execFileSync('sync', ['-f', site.root]);
    },
    inspect: sinceSwitch(join(site.root, 'current')),
  };
}

/** What a careful person would script: verify what was signed, unpack beside, sync, switch by one rename. */
function theirs(site: Site): Contender {
  const folder = join(site.mirrors.new, 'releases/download/v1.1.0');
  const archive = readdirSync(folder).find((name) => name.endsWith('.tar.zst')) ?? '';
  const key = join(site.mirrors.new, '../peer');
  // Without a password: it asks for none, and would be gone before one was written.
  const quiet = { stdio: 'ignore' } as const;
  execFileSync('minisign', ['-G', '-W', '-f', '-p', `${key}.pub`, '-s', `${key}.key`], quiet);
  const signed = join(folder, archive);
  execFileSync('minisign', ['-S', '-s', `${key}.key`, '-m', signed], quiet);
  const publicKey = readFileSync(`${key}.pub`, 'utf8').trim().split('\n').at(-1) ?? '';
  const fetched = `curl -sSfO ${quote(`${site.url}releases/download/v1.1.0/${archive}`)}`;
  const script = [
    `cd ${quote(site.root)}`,
    `${fetched} -O ${quote(`${site.url}releases/download/v1.1.0/${archive}.minisig`)}`,
    `minisign -V -q -P ${quote(publicKey)} -m ${quote(archive)}`,
    `mkdir -p 1.1.0/web-ui`,
    `tar -I zstd -xf ${quote(archive)} -C 1.1.0/web-ui`,
    `sync -f 1.1.0`,
    `ln -s 1.1.0 current.new`,
    `mv -T current.new current`,
  ];
  const first = `cd ${quote(site.root)}; mkdir -p 1.0.0/web-ui; tar -I zstd -xf ${quote(oldArchive(site))} -C 1.0.0/web-ui; ln -s 1.0.0 current; sync -f .`;
  return {
    name: PEER,
    argv: shell(script.join('; ')),
    prepare: () => {
      site.emptyNode();
      site.serve('new');
      execFileSync('bash', ['-c', first]);
    },
    inspect: sinceSwitch(join(site.root, 'current')),
  };
}

function oldArchive(site: Site): string {
  const folder = join(site.mirrors.old, 'releases/download/v1.0.0');
  return join(folder, readdirSync(folder).find((name) => name.endsWith('.tar.zst')) ?? '');
}
