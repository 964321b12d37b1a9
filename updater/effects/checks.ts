/**
 * Critical checks on a release that stands whole on the disk, before anything
 * is stopped or switched: its programs can be loaded here, the web server would
 * take its configuration, and what the operator wants to know. One that fails
 * leaves the node as it was.
 *
 * Whose fault is it? A program for another kind of machine is the release's,
 * and no node's: it is quarantined. All else may be this node's (a library that
 * is not installed, a configuration, the operator's own command): it is tried
 * again at the next check, from the disk.
 */
import { join } from 'node:path';
import { deploymentPath, findDamage } from '../deployments.ts';
import { ReleaseRefusal, UpdaterError } from '../errors.ts';
import { stopIfTold, type Host } from '../host.ts';
import type { Offer } from '../offer.ts';
import { lastWords, runBounded } from '../services/bounded-command.ts';
import { readProgram } from '../services/command.ts';
import { foreignMachine, readElf } from '../services/elf.ts';
import { findMissingLibraries } from '../services/libraries.ts';
import { removeDeployment } from './tidy.ts';

const NGINX_TIMEOUT_MS = 30_000;

/** Throws `ReleaseRefusal`, or `UpdaterError` CHECK for the first check that fails. */
export async function runChecks(host: Host, offer: Offer): Promise<void> {
  checkMachines(host, offer);
  if (host.config.library_check) await checkLibraries(host, offer);
  await checkNginx(host);
  await runCommands(host, offer);
}

function checkMachines({ paths }: Host, { deployment, selected }: Offer): void {
  for (const { kind, name, artifact } of selected) {
    if (kind !== 'file') continue;
    const elf = readElf(join(deploymentPath(paths, deployment.id), name));
    const machine = elf && foreignMachine(elf, process.arch);
    if (machine === undefined) continue;
    const what = `'${name}' of ${deployment.version} is a program for ${machine}`;
    throw new ReleaseRefusal(artifact.sha256, `${what}, published for ${artifact.platform}`);
  }
}

async function checkLibraries(host: Host, { deployment, selected }: Offer): Promise<void> {
  const { paths, signal, store } = host;
  const running = store.state.running?.deployment;
  for (const { kind, name } of selected) {
    if (kind !== 'file') continue;
    const file = join(deploymentPath(paths, deployment.id), name);
    const missing = await findMissingLibraries(file, signal);
    stopIfTold(signal);
    if (missing.length === 0) continue;
    // What runs may find libraries where its service alone is told to look.
    const before =
      running && (await missingBefore(join(deploymentPath(paths, running.id), name), signal));
    const news = missing.filter((each) => before?.includes(each) !== true);
    host.log.write('checks', `${name}: missing ${missing.join(', ')}; new: ${news.join(', ')}`);
    if (news.length === 0) continue;
    throw new UpdaterError(
      'CHECK',
      `'${name}' of ${deployment.version} cannot be loaded on this machine: ${news.join(', ')} not found`,
      {
        hint: `install it; if the service finds it where the loader does not look: 'library_check = false' in ${host.config.file}`,
      },
    );
  }
}

async function missingBefore(file: string, signal: AbortSignal): Promise<string[]> {
  try {
    return await findMissingLibraries(file, signal);
  } catch {
    return []; // What runs has no such component.
  }
}

/** The configuration as it is: a restart or a reload after the switch would need it. */
async function checkNginx(host: Host): Promise<void> {
  const { nginx_test: wanted, services } = host.config;
  const isService = services.some(({ name, manager }) => {
    return manager !== 'command' && ['nginx', 'nginx.service'].includes(name);
  });
  if (wanted === false || (wanted === undefined && !isService)) return;
  const isThere = async (): Promise<boolean> =>
    (await readProgram(['nginx', '-v'], NGINX_TIMEOUT_MS)) !== undefined;
  if (wanted === undefined && !(await isThere())) {
    host.note('there is a service nginx and no program nginx: its configuration is not tested');
    return;
  }
  const argv = Array.isArray(wanted) ? wanted : ['nginx', '-t', '-q'];
  await runCheck(host, 'nginx', argv, {
    timeoutMs: NGINX_TIMEOUT_MS,
    // Its last line only says that it failed.
    tell: (output) => lastWords(output.replaceAll(/^.*test failed$/gm, '')),
    hint: `correct the web server's configuration; '${argv.join(' ')}' shows what is wrong`,
  });
}

async function runCommands(host: Host, { deployment }: Offer): Promise<void> {
  const { config, paths, store } = host;
  if (config.checks.length === 0) return;
  const { id, version } = deployment;
  const folder = deploymentPath(paths, id);
  const env = {
    LANDFALL_VERSION: version,
    LANDFALL_DEPLOYMENT: folder,
    LANDFALL_FROM: store.state.running?.deployment.version ?? '',
  };
  for (const { name, command, timeout, expect_version: expected } of config.checks) {
    const output = await runCheck(host, name, command, {
      timeoutMs: timeout,
      env,
      cwd: folder,
      hint: `it is a check of this node's: [[checks]] in ${config.file}`,
    });
    if (expected && !output.includes(version)) {
      throw failed(
        host,
        name,
        `expected its output to name ${version}, found '${lastWords(output)}'`,
        `it is a check of this node's: [[checks]] in ${config.file}`,
      );
    }
  }
  if (findDamage(paths, deployment) === undefined) return;
  removeDeployment(host, id);
  throw new UpdaterError('CHECK', `a check changed ${version} on the disk: it was removed`, {
    hint: `checks only look: correct [[checks]] in ${config.file}`,
  });
}

interface CheckOptions {
  timeoutMs: number;
  hint: string;
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  /** The line of an output that says what is wrong. */
  tell?: (output: string) => string;
}

/** What it printed. Throws `UpdaterError` CHECK. */
async function runCheck(
  host: Host,
  name: string,
  argv: readonly string[],
  { hint, tell = lastWords, ...options }: CheckOptions,
): Promise<string> {
  host.log.write('checks', `${name}: ${argv.join(' ')}`);
  const { problem, output } = await runBounded(argv, { ...options, signal: host.signal });
  stopIfTold(host.signal);
  if (output !== '') host.log.write('checks', output.trimEnd());
  host.log.write('checks', `${name}: ${problem ?? 'passed'}`);
  if (problem === undefined) return output;
  const words = tell(output);
  throw failed(host, name, words === '' ? problem : `${problem}: ${words}`, hint);
}

function failed(host: Host, name: string, why: string, hint: string): UpdaterError {
  return new UpdaterError('CHECK', `check '${name}' failed: ${why}`, {
    hint: `${hint}; what it printed is in ${host.log.folder ?? host.paths.logs}`,
  });
}
