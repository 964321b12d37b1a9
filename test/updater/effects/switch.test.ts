/** The switch on a disk that fails: what is tried again, and what never is. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../../harness/temporary.ts';

const UPDATER = join(import.meta.dirname, '../../../updater');

/** A program that switches to a deployment, and prints what became of it. */
const SCRIPT = `
import { switchOrMakeRoom } from '${UPDATER}/effects/switch.ts';
import { pathsOf } from '${UPDATER}/paths.ts';
const [, root, state] = process.argv;
const host = { paths: pathsOf(root, state), note: (line) => console.log('note: ' + line) };
try { switchOrMakeRoom(host, { id: '1.1.0-0123456789ab' }); console.log('switched'); }
catch (error) { console.log(error.code + ': ' + error.message); }`;

/** What it printed, and its calls on the root: the first `call` fails with `error`. */
function switchOn(call: string, error: string): { said: string; calls: string[]; link: string } {
  const [folder, log] = [temporaryFolder(), join(temporaryFolder(), 'trace')];
  const [root, state] = [join(folder, 'root'), join(folder, 'state')];
  mkdirSync(state);
  for (const id of ['1.0.0-0123456789ab', '1.1.0-0123456789ab']) {
    mkdirSync(join(root, 'deployments', id), { recursive: true });
  }
  const said = execFileSync(
    'strace',
    [
      ...['-fyqq', '-e', 'trace=symlink,rename,fsync', '-e', 'signal=none', '-o', log],
      ...['-e', `inject=${call}:error=${error}:when=1`],
      ...[process.execPath, '--input-type=module', '-e', SCRIPT, '--', root, state],
    ],
    { encoding: 'utf8' },
  );
  const lines = readFileSync(log, 'utf8').split('\n');
  const calls = lines.filter((line) => line.includes(root));
  return {
    said: said.replaceAll(root, 'root').trim(),
    calls: calls.map((line) => /(\w+)\(/.exec(line)?.[1] ?? line),
    link: readlinkSync(join(root, 'current')),
  };
}

it('is given up when its fsync fails, which is never tried again', () => {
  const { said, calls, link } = switchOn('fsync', 'EIO');
  expect(said).toMatch(/^WRITE_FAILED: cannot switch 'root\/current': /);
  expect(calls).toEqual(['symlink', 'rename', 'fsync']);
  expect(link).toBe('deployments/1.1.0-0123456789ab');
});

it.each([
  ['symlink', ['symlink', 'symlink', 'rename', 'fsync']],
  ['rename', ['symlink', 'rename', 'symlink', 'rename', 'fsync']],
])('makes room and is tried once more when its %s finds none', (call, expected) => {
  const { said, calls } = switchOn(call, 'ENOSPC');
  expect(said).toMatch(/^note: .*no space left.*: making room, and trying once more\nswitched$/);
  expect(calls).toEqual(expected);
});
