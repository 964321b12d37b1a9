/**
 * Takes symbols and debug information off a Linux program, whatever machine it
 * is for: what `strip` does, without needing one for each kind of machine. What
 * is loaded to run stands in the segments; all that follows them in the file,
 * and the table of sections, is for debuggers.
 */

const MAGIC = 0x7f454c46;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;

/** A program's bytes without what is never loaded. Throws when it is no 64-bit little-endian ELF file. */
export function stripElf(program: Buffer): Buffer {
  if (
    program.readUInt32BE(0) !== MAGIC ||
    program[4] !== CLASS_64 ||
    program[5] !== LITTLE_ENDIAN
  ) {
    throw new Error('expected a 64-bit ELF program, found something else');
  }
  const tableAt = Number(program.readBigUInt64LE(0x20));
  const entrySize = program.readUInt16LE(0x36);
  const entries = program.readUInt16LE(0x38);
  let end = tableAt + entrySize * entries;
  for (let index = 0; index < entries; index += 1) {
    const entry = tableAt + entrySize * index;
    const offset = Number(program.readBigUInt64LE(entry + 0x08));
    const size = Number(program.readBigUInt64LE(entry + 0x20));
    end = Math.max(end, offset + size);
  }
  const stripped = Buffer.from(program.subarray(0, end));
  // No section table: its place in the file, the number of its entries, which one names the others.
  stripped.writeBigUInt64LE(0n, 0x28);
  stripped.writeUInt16LE(0, 0x3c);
  stripped.writeUInt16LE(0, 0x3e);
  return stripped;
}
