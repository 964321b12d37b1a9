/** Bad input to `release` that has to do with files: keys, passwords, permissions, disks, sources. Exact transcripts. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { generateKeyPair, serializeSecretKey } from '@landfall/minisign';
import { expect, it } from 'vitest';
import {
  type BadInput,
  configure,
  encryptKey,
  giveAway,
  mountSmall,
  NOBODY,
  tryBadInput,
} from '../harness/bad-input.ts';
import { cleanEnvironment } from '../harness/command.ts';

const OWNER_OR_ROOT = 'run it as the user that owns the file, or as root';

const ROWS: BadInput[] = [
  {
    name: 'a key file that is missing',
    args: ['ship'],
    prepare: (site) => rmSync(join(site.directory, 'keys/release.key')),
    code: 2,
    error: "secret key '<project>/keys/release.key': cannot read it: no such file or directory",
    hint: 'check the path',
  },
  {
    name: 'a key file that may not be read',
    args: ['ship'],
    options: NOBODY,
    prepare: (site) => {
      giveAway(site);
      chownSync(join(site.directory, 'keys/release.key'), 0, 0);
    },
    code: 2,
    error: "secret key '<project>/keys/release.key': cannot read it: permission denied",
    hint: OWNER_OR_ROOT,
  },
  {
    name: 'a key file that others can read',
    args: ['ship'],
    prepare: (site) => chmodSync(join(site.directory, 'keys/release.key'), 0o644),
    code: 2,
    error:
      "secret key '<project>/keys/release.key': expected mode 0600, found 0644: others than its owner can use it",
    hint: "chmod 600 '<project>/keys/release.key', and think about whether someone has read it already",
  },
  {
    name: 'a key whose public half is not configured',
    args: ['ship'],
    prepare: async (site) =>
      site.write(
        'keys/release.key',
        await serializeSecretKey(generateKeyPair(), { password: undefined }),
        0o600,
      ),
    code: 2,
    error:
      "secret key 'keys/release.key' is <key id>: expected its public key in 'keys.public', found <key id>",
    hint: "if it is the right key, add '<public key>' to 'keys.public'",
  },
  {
    name: 'no key',
    args: ['ship'],
    prepare: configure((config) => (config.keys.secret = [])),
    code: 2,
    error: "'keys.secret': expected at least 1 secret key file, found 0",
    hint: "'release keygen' makes one; name its file in the configuration",
  },
  {
    name: 'no password',
    args: ['ship'],
    prepare: encryptKey,
    code: 2,
    error:
      "secret key 'keys/release.key' is encrypted: expected its password, found none and no terminal to ask on",
    hint: 'set LANDFALL_KEY_PASSWORD, or LANDFALL_KEY_PASSWORD_FILE to the path of a file that holds it',
  },
  {
    name: 'a wrong password',
    args: ['ship'],
    options: { env: { LANDFALL_KEY_PASSWORD: 'incorrect pony' } },
    prepare: encryptKey,
    code: 2,
    error:
      "secret key '<project>/keys/release.key': expected the password that the key was encrypted with, found another (or a damaged file)",
    hint: 'check the password; it is case-sensitive and a space at its end counts',
  },
  {
    name: 'a password file that is missing',
    args: ['ship'],
    options: { env: { LANDFALL_KEY_PASSWORD_FILE: '/nowhere/at/all' } },
    prepare: encryptKey,
    code: 2,
    error: "cannot read the password file '/nowhere/at/all': no such file or directory",
    hint: 'check LANDFALL_KEY_PASSWORD_FILE',
  },
  {
    name: 'a new key without a password',
    args: ['keygen', '--out', 'keys/second.key'],
    code: 2,
    error: 'no password for the new key, and no terminal to ask on',
    hint: 'set LANDFALL_KEY_PASSWORD_FILE, or say --no-password on purpose',
  },
  {
    name: 'a source file that may not be read',
    args: ['build'],
    options: NOBODY,
    prepare: (site) => {
      giveAway(site);
      chownSync(join(site.directory, 'dist/index.html'), 0, 0);
      chmodSync(join(site.directory, 'dist/index.html'), 0o600);
    },
    code: 3,
    error: "the tree cannot be packed: 'index.html' cannot be read: permission denied",
    hint: OWNER_OR_ROOT,
  },
  {
    name: 'a folder that may not be written',
    args: ['build'],
    options: NOBODY,
    prepare: (site) => chmodSync(site.root, 0o755),
    code: 1,
    error: "cannot make the folder '<project>/.release': permission denied",
    hint: OWNER_OR_ROOT,
  },
  {
    name: 'a full disk',
    args: ['build'],
    prepare: (site) => {
      site.write('dist/noise.bin', randomBytes(200_000));
      mountSmall(join(site.directory, '.release'));
    },
    code: 1,
    error: "'<project>/.release/1.0.0/web-ui-1.0.0.tar.zst.part': no space left on the device",
    hint: 'free some space and run the command again',
  },
  {
    name: 'a source that is missing',
    args: ['build'],
    prepare: (site) => rmSync(join(site.directory, 'dist'), { recursive: true }),
    code: 1,
    error: "component 'web-ui': expected something to pack at 'dist', found nothing",
    hint: "build it first: put the command that makes it into the component's 'before'",
  },
  {
    name: 'an archive that is none',
    args: ['build'],
    prepare: configure(
      (config) => (config.components = [{ name: 'web-ui', kind: 'tree', archive: 'package.json' }]),
    ),
    code: 3,
    error:
      "archive 'package.json': is not an archive: expected zstd, gzip or tar, found something else",
    hint: 'look at it with file(1); a proxy or a login page may have answered instead',
  },
  {
    name: 'a command that does not exist',
    args: ['build'],
    prepare: configure((config) =>
      Object.assign(config.components[0] ?? {}, { before: [['no-such-program', 'now']] }),
    ),
    code: 1,
    error: "command 'no-such-program now' failed: expected exit code 0, found no such program",
    hint: "'before' takes the program and its arguments one by one, without a shell",
  },
  {
    name: 'a checkout with changes',
    args: ['ship'],
    prepare: (site) => {
      site.write('.gitignore', 'keys/\nbin/\ndist/\n');
      const script =
        'git init -q && git add .gitignore package.json && git -c user.name=T -c user.email=t@localhost commit -qm one';
      const env = cleanEnvironment();
      execFileSync('sh', ['-c', script], { cwd: site.directory, env });
    },
    code: 2,
    error: "the checkout has changes that no commit names: 'release.config.ts'",
    hint: 'commit them, or add what is built to .gitignore',
  },
];

it.each(ROWS)('$name', async (row) => {
  const { found, expected } = await tryBadInput(row);
  expect(found).toEqual(expected);
});
