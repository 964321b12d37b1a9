/**
 * Load on a web server from a process of its own, so that a test that blocks
 * on file operations does not slow it down.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';

export interface LoadResult {
  requests: number;
  /** One line per kind of failure, with how often: status other than 200, body not among the expected, connection error. */
  failures: Record<string, number>;
}

export interface Load {
  /** Resolves when the first request was answered. */
  started: Promise<unknown>;
  /** Ends the load and tells what was seen. */
  stop(): Promise<LoadResult>;
}

/**
 * Requests `url + path` of `paths` in turn over `connections` kept-alive
 * connections, as fast as answers come, until stopped (at most 120 s). A body
 * must be one of `bodies[path]`.
 */
export function startLoad(options: {
  url: string;
  connections: number;
  bodies: Readonly<Record<string, readonly string[]>>;
}): Load {
  const child = fork(new URL('./load-process.ts', import.meta.url), [JSON.stringify(options)], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const started = once(child, 'message');
  return {
    started,
    stop: async () => {
      const result = once(child, 'message');
      child.send('stop');
      const [value] = (await result) as [LoadResult];
      if (child.connected) child.disconnect();
      return value;
    },
  };
}
