/**
 * The password's key stream: scrypt with libsodium's two limits in place of
 * N, r and p. A key file names its limits, so they are bounded before any
 * memory is asked for: a file made to eat the machine is refused.
 */
import { scrypt } from 'node:crypto';
import { MinisignError } from './errors.ts';

/** libsodium's `crypto_pwhash_scryptsalsa208sha256_{OPS,MEM}LIMIT_SENSITIVE`: what minisign writes. */
export const DEFAULT_OPSLIMIT = 33_554_432n;
/** Bytes: 1 GiB. */
export const DEFAULT_MEMLIMIT = 1_073_741_824n;

/** Eight times minisign's own, about half a minute of one core. */
export const MAX_OPSLIMIT = 8n * DEFAULT_OPSLIMIT;
/** 1 GiB, minisign's own. */
export const MAX_MEMLIMIT = 2n ** 30n;

/** scrypt's own buffers beside the `memlimit` bytes of its table. */
const MEMORY_SLACK = 16 * 1024 * 1024;

/** What it costs to try a password, as libsodium counts it and key files tell it. */
export interface ScryptLimits {
  /** Salsa20/8 cores, at most; libsodium takes less than 32768 as 32768. */
  opslimit: bigint;
  /** Bytes of memory, at most. */
  memlimit: bigint;
}

/** Cost, block size and parallelization, as RFC 7914 names them. */
export interface ScryptParameters {
  N: number;
  r: number;
  p: number;
}

/** N, r and p as libsodium's `pickparams` picks them: r is 8, p at least 1. */
export function pickScryptParameters({ opslimit, memlimit }: ScryptLimits): ScryptParameters {
  const ops = opslimit < 32_768n ? 32_768n : opslimit;
  const r = 8n;
  if (ops < memlimit / 32n) return { N: powerWithin(ops / (r * 4n)), r: 8, p: 1 };
  const N = powerWithin(memlimit / (r * 128n));
  const rp = ops / 4n / BigInt(N);
  return { N, r: 8, p: Number((rp > 0x3fff_ffffn ? 0x3fff_ffffn : rp) / r) };
}

/** The first power of two, from 2 on, that is more than half of `max`. */
function powerWithin(max: bigint): number {
  let power = 2n;
  while (power <= max / 2n && power < 1n << 63n) power *= 2n;
  return Number(power);
}

/**
 * The limits' parameters, if they may be used here. Throws `MinisignError`
 * KEY_INVALID naming the limit; `name` is the key in words.
 */
function boundedParameters(limits: ScryptLimits, name: string): ScryptParameters {
  const refuse = (what: string, most: bigint, found: bigint): never => {
    throw new MinisignError(
      'KEY_INVALID',
      `${name}: expected a scrypt ${what} of at most ${most}, found ${found}`,
      {
        hint: "minisign writes no such keys: make sure that this file is yours, or run 'minisign -C' on it",
      },
    );
  };
  if (limits.opslimit > MAX_OPSLIMIT) refuse('opslimit', MAX_OPSLIMIT, limits.opslimit);
  if (limits.memlimit > MAX_MEMLIMIT) refuse('memlimit', MAX_MEMLIMIT, limits.memlimit);
  const parameters = pickScryptParameters(limits);
  const most = Number(MAX_MEMLIMIT) + MEMORY_SLACK;
  if (memoryOf(parameters) > most) {
    // Much work with little memory makes p, and with it scrypt's block, large.
    throw new MinisignError(
      'KEY_INVALID',
      `${name}: expected scrypt limits that fit each other, found opslimit ${limits.opslimit} with memlimit ${limits.memlimit}`,
      { hint: 'the file is damaged, or was not made by minisign: restore it from a backup' },
    );
  }
  return parameters;
}

/** Bytes that scrypt needs: OpenSSL counts them so and compares with `maxmem`. */
function memoryOf({ N, r, p }: ScryptParameters): number {
  return 128 * r * (N + p + 2);
}

/**
 * `length` bytes from a password and a salt, off the main thread. The caller
 * wipes them. Throws `MinisignError` KEY_INVALID (limits) or KEY_DERIVATION.
 */
export async function deriveKeyStream(
  password: Uint8Array,
  salt: Uint8Array,
  limits: ScryptLimits,
  length: number,
  name: string,
): Promise<Buffer> {
  const { N, r, p } = boundedParameters(limits, name);
  const maxmem = memoryOf({ N, r, p });
  try {
    return await new Promise((resolve, reject) => {
      scrypt(password, salt, length, { N, r, p, maxmem }, (error, key) => {
        if (error === null) resolve(key);
        else reject(error);
      });
    });
  } catch (error) {
    throw new MinisignError(
      'KEY_DERIVATION',
      `${name}: could not derive a key from its password: expected ${Math.ceil(maxmem / 1024 / 1024)} MiB of free memory`,
      {
        cause: error,
        hint: 'free some memory, or use a machine that has it, and run the command again',
      },
    );
  }
}
