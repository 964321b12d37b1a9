/**
 * How a command is told to stop. It ends between two steps; a crash here leaves nothing.
 *
 * A terminal that goes away (SIGHUP) does not stop it: an operator whose connection is lost
 * while a release is being verified would leave it there without a verdict. Only what stays
 * for ever ends with its terminal.
 */

const stay = (): void => {};

/** Aborted when this process is told to stop, for as long as `work` runs. */
export async function untilToldToStop<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { outlivesTerminal = true } = {},
): Promise<T> {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals): void => controller.abort(new Error(`got ${name}`));
  const listeners = [
    ['SIGTERM', stop],
    ['SIGINT', stop],
    ['SIGHUP', outlivesTerminal ? stay : stop],
  ] as const;
  for (const [name, listener] of listeners) process.on(name, listener);
  try {
    return await work(controller.signal);
  } finally {
    for (const [name, listener] of listeners) process.off(name, listener);
  }
}
