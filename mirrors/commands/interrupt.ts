/** Control-C and SIGTERM as an abort signal, so that what is under way ends in order. */

/** Aborted by the first SIGINT or SIGTERM; the second one ends the process at once. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.kill(process.pid, 'SIGKILL');
      controller.abort(new Error(`stopped by ${name}`));
    });
  }
  return controller.signal;
}
