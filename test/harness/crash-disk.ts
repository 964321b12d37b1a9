/**
 * A small file system of its own for a node, on a loop device, that can be
 * stopped as a power cut stops it. Writeback and journal commits by themselves
 * are put off, and the file system is mounted with the fewest promises it can
 * make, so that on its image lies what was synced and nothing else.
 *
 * Needs root. Mounts and images go when the running test ends.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

export type FileSystem = 'ext4' | 'xfs';

/** What the shutdown ioctl does with the journal first: 1 writes it out, 2 does not. */
export type ShutdownFlag = 1 | 2;

interface Recipe {
  size: string;
  make: readonly string[];
  mount: string;
}

const RECIPES: Readonly<Record<FileSystem, Recipe>> = {
  ext4: {
    size: '24M',
    make: ['mkfs.ext4', '-q', '-b', '1024', '-J', 'size=1', '-N', '1024'],
    // auto_da_alloc would sync on rename what the program forgot; data=writeback orders nothing.
    mount: 'noauto_da_alloc,data=writeback,commit=3600',
  },
  xfs: { size: '300M', make: ['mkfs.xfs', '-q'], mount: 'nouuid' },
};

/** A folder for images, in memory where there is one, until the running test ends. */
export function imageFolder(): string {
  const where = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const folder = mkdtempSync(join(where, 'landfall-images-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN, which is the same number. */
const SHUTDOWN = '0x8004587d';

export class CrashDisk {
  readonly kind: FileSystem;
  /** Where it is mounted. */
  readonly mount: string;
  readonly #images: string;
  #attached = 0;
  #isMounted = false;

  /** `mount` is made; images will be `<images>/<its name>-<n>.img`. */
  constructor(mount: string, images: string, kind: FileSystem) {
    this.kind = kind;
    this.mount = mount;
    this.#images = images;
    mkdirSync(mount);
    onTestFinished(() => this.detach());
  }

  /**
   * The image that is mounted. Each mount has a new one: another mount namespace
   * may hold a copy of the last, and then its file system lives on.
   */
  get image(): string {
    return join(this.#images, `${basename(this.mount)}-${this.#attached}.img`);
  }

  /** Makes the file system and mounts it. */
  format(): void {
    const { size, make } = RECIPES[this.kind];
    execFileSync('truncate', ['-s', size, this.image]);
    execFileSync(make[0] as string, [...make.slice(1), this.image]);
    this.#attach();
  }

  #attach(): void {
    const options = `loop,${RECIPES[this.kind].mount}`;
    execFileSync('mount', ['-t', this.kind, '-o', options, this.image, this.mount]);
    this.#isMounted = true;
  }

  /** Unmounts. Does not sync: see `sync`. A request that is being answered may still hold a file: waits for it. */
  async detach(): Promise<void> {
    if (!this.#isMounted) return;
    for (let tries = 1; ; tries += 1) {
      try {
        execFileSync('umount', [this.mount], { stdio: 'pipe' });
        break;
      } catch (error) {
        if (tries === 100) throw error;
        await sleep(20);
      }
    }
    this.#isMounted = false;
  }

  /** Puts what lies on the image at `from` in the place of everything. */
  async restore(from: string): Promise<void> {
    await this.detach();
    const last = this.image;
    this.#attached += 1;
    copyImage(from, this.image);
    rmSync(last, { force: true });
    this.#attach();
  }

  /** What the next boot finds: unmounts, and mounts what is on the disk. */
  async reboot(): Promise<void> {
    await this.restore(this.image);
  }

  /** What a power cut would leave now, as an image at `to`. */
  copyTo(to: string): void {
    copyImage(this.image, to);
  }

  /** Sectors written to the device since it was attached: the same number, the same image. */
  get written(): string {
    const device = execFileSync('findmnt', ['-no', 'SOURCE', this.mount], { encoding: 'utf8' });
    const stat = readFileSync(`/sys/block/${basename(device.trim())}/stat`, 'utf8');
    return stat.trim().split(/\s+/)[6] ?? '';
  }

  /** Makes the journal reach the disk, as somebody else's fsync does; data of other files does not. */
  commitJournal(): void {
    const fd = openSync(join(this.mount, '.tick'), 'a');
    try {
      writeSync(fd, '.');
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** Everything written so far reaches the disk. */
  sync(): void {
    execFileSync('sync', ['-f', this.mount]);
  }

  /** From now on nothing reaches the disk, for good: the real thing. */
  shutDown(flag: ShutdownFlag): void {
    const script =
      'open F,"<",$ARGV[0] or die $!; my $f=pack("L",$ARGV[1]); ioctl(F,hex $ARGV[2],$f) or die $!';
    execFileSync('perl', ['-e', script, this.mount, String(flag), SHUTDOWN]);
  }

  /** From now on it is read-only, as a file system that met an error makes itself. ext4 only. */
  abort(): void {
    execFileSync('mount', ['-o', 'remount,abort', this.mount], { stdio: 'pipe' });
  }
}

function copyImage(from: string, to: string): void {
  execFileSync('cp', ['--sparse=always', from, to]);
}
