/** Programs that a machine cannot load, made from one that it can: no compiler is needed. */

/** The same program, in need of `libq.so.6`, which nobody has. */
export function lackLibrary(program: Uint8Array): Buffer {
  const bytes = Buffer.from(program);
  const at = bytes.indexOf('libc.so.6\0');
  if (at < 0) throw new Error('expected a program that needs libc.so.6');
  bytes.write('libq.so.6', at);
  return bytes;
}

/** The same program, said to be for another kind of machine. */
export function buildForeign(program: Uint8Array): Buffer {
  const bytes = Buffer.from(program);
  bytes.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 18);
  return bytes;
}
