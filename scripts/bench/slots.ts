/**
 * RAUC and SWUpdate set up to install a web UI into a slot: an ext4 in a file,
 * behind a loop device. Both verify a signature of a key that was made for it.
 * Needs root. `close` ends what was started and frees the devices.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { quote } from './bench.ts';
import type { Contender } from './measure.ts';

export interface Installer {
  contender: Contender;
  close(): Promise<void>;
}

const SLOT_BYTES = 2 * 1024 ** 3;
const PATIENCE = 100;

/** `rauc install` of `archive` (`….tar.zst`) into the slot that is not booted. `folder` is made. */
export async function openRauc(folder: string, archive: string): Promise<Installer> {
  const [content, mounts] = [join(folder, 'content'), join(folder, 'mounts')];
  for (const path of [folder, content, mounts]) mkdirSync(path);
  const key = makeKey(folder);
  execFileSync('ln', [archive, join(content, basename(archive))]);
  writeFileSync(
    join(content, 'manifest.raucm'),
    `[update]\ncompatible=bench\nversion=1.1.0\n[image.rootfs]\nfilename=${basename(archive)}\n`,
  );
  const bundle = join(folder, 'update.raucb');
  run('rauc', ['--cert', key.certificate, '--key', key.secret, 'bundle', content, bundle]);
  const slots = [makeSlot(folder, 'a'), makeSlot(folder, 'b')];
  const config = join(folder, 'system.conf');
  writeFileSync(
    config,
    [
      `[system]\ncompatible=bench\nbootloader=noop\nmountprefix=${mounts}`,
      `statusfile=${join(folder, 'status')}`,
      `[keyring]\npath=${key.certificate}\ncheck-purpose=any`,
      ...slots.map(
        (device, at) => `[slot.rootfs.${at}]\ndevice=${device}\ntype=ext4\nbootname=${at}`,
      ),
      '',
    ].join('\n'),
  );
  // A bus of its own: the machine's may not be there, and has a RAUC of its own where it is.
  const bus = spawn('dbus-daemon', ['--session', '--nofork', '--print-address=1']);
  const [address] = (await once(bus.stdout, 'data')) as [Buffer];
  const env = {
    DBUS_SESSION_BUS_ADDRESS: String(address).trim(),
    DBUS_STARTER_BUS_TYPE: 'session',
  };
  const service = spawn('rauc', ['-c', config, 'service', '--override-boot-slot=0'], {
    stdio: 'ignore',
    env: { ...process.env, ...env },
  });
  await untilAnswered(['rauc', '-c', config, 'status'], env);
  const close = async (): Promise<void> => {
    for (const child of [service, bus]) await end(child);
    for (const device of slots) run('losetup', ['-d', device]);
  };
  return {
    contender: { name: 'rauc install', argv: ['rauc', '-c', config, 'install', bundle], env },
    close,
  };
}

/** `swupdate` of `archive` into a slot that is empty before every run. `folder` is made. */
export function openSwupdate(folder: string, archive: string): Installer {
  mkdirSync(folder);
  const key = makeKey(folder);
  const [name, device] = [basename(archive), makeSlot(folder, 'slot')];
  const sha256 = createHash('sha256').update(readFileSync(archive)).digest('hex');
  execFileSync('ln', [archive, join(folder, name)]);
  writeFileSync(
    join(folder, 'sw-description'),
    `software = { version = "1.1.0"; hardware-compatibility: [ "1.0" ]; images: ( {
      filename = "${name}"; type = "archive"; compressed = "zstd"; device = "${device}";
      filesystem = "ext4"; path = "/"; installed-directly = true; sha256 = "${sha256}"; } ); }\n`,
  );
  const signing = ['-in', 'sw-description', '-out', 'sw-description.sig', '-outform', 'DER'];
  const how = ['-signer', key.certificate, '-inkey', key.secret, '-nosmimecap', '-binary'];
  execFileSync('openssl', ['cms', '-sign', ...signing, ...how], { cwd: folder });
  const names = ['sw-description', 'sw-description.sig', name].map(quote).join(' ');
  const image = join(folder, 'update.swu');
  execFileSync('bash', ['-c', `printf '%s\\n' ${names} | cpio -o -H crc --quiet >update.swu`], {
    cwd: folder,
  });
  const config = join(folder, 'swupdate.cfg');
  writeFileSync(
    config,
    `globals : { public-key-file = "${key.certificate}"; bootloader = "none"; };\n`,
  );
  const options = ['-f', config, '-k', key.certificate, '-H', 'bench:1.0', '-M', '-m', '-i', image];
  return {
    contender: {
      name: 'swupdate',
      argv: ['swupdate', ...options],
      prepare: () => run('mkfs.ext4', ['-q', '-F', device]),
    },
    close: () => Promise.resolve(run('losetup', ['-d', device])),
  };
}

function makeSlot(folder: string, name: string): string {
  const image = join(folder, `${name}.ext4`);
  writeFileSync(image, '');
  truncateSync(image, SLOT_BYTES);
  run('mkfs.ext4', ['-q', '-F', image]);
  return execFileSync('losetup', ['-f', '--show', image], { encoding: 'utf8' }).trim();
}

function makeKey(folder: string): { secret: string; certificate: string } {
  const [secret, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const kind = ['-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=bench'];
  const use = ['-addext', 'extendedKeyUsage=emailProtection'];
  run('openssl', ['req', '-x509', ...kind, ...use, '-keyout', secret, '-out', certificate]);
  return { secret, certificate };
}

function run(program: string, args: readonly string[], env: Record<string, string> = {}): void {
  execFileSync(program, args, { stdio: 'ignore', env: { ...process.env, ...env } });
}

async function untilAnswered(argv: readonly string[], env: Record<string, string>): Promise<void> {
  const [program = '', ...args] = argv;
  for (let tries = 0; ; tries += 1) {
    try {
      return run(program, args, env);
    } catch (error) {
      if (tries === PATIENCE) throw error;
      await sleep(50);
    }
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}
