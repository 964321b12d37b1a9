/**
 * What an executable says about where it can run: the first bytes of an ELF
 * file (System V ABI, chapters 4 and 5). Reads a bounded part of it and runs
 * nothing.
 */
import { closeSync, openSync, readSync } from 'node:fs';

/** e_machine values that each of Node's architectures can run. */
const MACHINES: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  x64: { 62: 'x86-64', 3: 'x86' },
  arm64: { 183: 'aarch64', 40: 'arm' },
};
const NAMES: Readonly<Record<number, string>> = {
  ...MACHINES['x64'],
  ...MACHINES['arm64'],
  8: 'mips',
  21: 'powerpc64',
  22: 's390',
  243: 'risc-v',
};

const HEADER_BYTES = 64;
const MAX_TABLE_BYTES = 64 * 1024;
const MAX_PATH_BYTES = 4096;
const PT_INTERP = 3;

/** What of an ELF file says which machines can run it. */
export interface Elf {
  /** e_machine. */
  machine: number;
  /** Path of the loader it is run by; undefined for a static one. */
  interpreter?: string | undefined;
}

/** Undefined for a file that is not ELF, or not whole enough to tell. */
export function readElf(path: string): Elf | undefined {
  const fd = openSync(path, 'r');
  try {
    const read = (position: number, length: number): Buffer => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
    };
    const header = read(0, HEADER_BYTES);
    if (header.length < HEADER_BYTES || header.readUInt32BE(0) !== 0x7f454c46) return undefined;
    return parse(header, read);
  } finally {
    closeSync(fd);
  }
}

/** The name of an ELF machine that this one cannot run; undefined when it can, or nobody knows. */
export function foreignMachine({ machine }: Elf, architecture: string): string | undefined {
  const known = MACHINES[architecture];
  if (known === undefined || machine in known) return undefined;
  return NAMES[machine] ?? `machine ${machine}`;
}

function parse(header: Buffer, read: (position: number, length: number) => Buffer): Elf {
  const isWide = header[4] === 2;
  const isLittle = header[5] === 1;
  const half = (bytes: Buffer, at: number): number =>
    isLittle ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at);
  const word = (bytes: Buffer, at: number): number =>
    isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
  const offset = (bytes: Buffer, at: number): number => {
    if (!isWide) return word(bytes, at);
    return Number(isLittle ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at));
  };
  const machine = half(header, 18);
  const table = offset(header, isWide ? 32 : 28);
  const size = half(header, isWide ? 54 : 42);
  const count = half(header, isWide ? 56 : 44);
  const least = isWide ? 56 : 32;
  if (size < least || size * count > MAX_TABLE_BYTES || !Number.isSafeInteger(table)) {
    return { machine };
  }
  const entries = read(table, size * count);
  for (let at = 0; at + size <= entries.length; at += size) {
    if (word(entries, at) !== PT_INTERP) continue;
    const where = offset(entries, at + (isWide ? 8 : 4));
    const length = Math.min(offset(entries, at + (isWide ? 32 : 16)), MAX_PATH_BYTES);
    if (!Number.isSafeInteger(where)) return { machine };
    return { machine, interpreter: read(where, length).toString('latin1').replace(/\0.*$/s, '') };
  }
  return { machine };
}
