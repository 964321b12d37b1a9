/** Catches what a call throws, so that a test can look at its code, message and hint. */
import { OtaError } from '@landfall/errors';

/** The `OtaError` that `call` throws or rejects with. Fails when it throws something else or nothing. */
export async function errorOf(call: () => unknown): Promise<OtaError> {
  try {
    await call();
  } catch (error) {
    if (error instanceof OtaError) return error;
    throw error;
  }
  throw new Error('expected an OtaError, but nothing was thrown');
}
