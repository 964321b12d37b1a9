/** How a command is told to stop. It ends between two steps; a crash here leaves nothing. */

/** Aborted when this process is told to stop, for as long as `work` runs. */
export async function untilToldToStop<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals): void => controller.abort(new Error(`got ${name}`));
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  try {
    return await work(controller.signal);
  } finally {
    process.off('SIGTERM', stop);
    process.off('SIGINT', stop);
  }
}
