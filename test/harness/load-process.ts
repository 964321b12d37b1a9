/** The process behind `startLoad`. */
import { Agent, get } from 'node:http';

interface Options {
  url: string;
  connections: number;
  bodies: Record<string, string[]>;
}

const options = JSON.parse(process.argv[2] ?? '') as Options;
const agent = new Agent({ keepAlive: true, maxSockets: options.connections });
const paths = Object.keys(options.bodies);
const result = { requests: 0, failures: {} as Record<string, number> };
const stopping = new AbortController();

function fail(what: string): void {
  result.failures[what] = (result.failures[what] ?? 0) + 1;
}

function request(path: string): Promise<void> {
  return new Promise((resolve) => {
    const sent = get(options.url + path, { agent, timeout: 10_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => (body += text));
      response.on('end', () => {
        result.requests += 1;
        if (response.statusCode !== 200) fail(`${path}: status ${response.statusCode}`);
        else if (!options.bodies[path]?.includes(body))
          fail(`${path}: body '${body.slice(0, 60)}'`);
        resolve();
      });
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer for 10 s')));
    sent.on('error', (error) => {
      fail(`${path}: ${error.message}`);
      resolve();
    });
  });
}

async function connection(offset: number): Promise<void> {
  for (let turn = offset; !stopping.signal.aborted; turn += 1) {
    await request(paths[turn % paths.length] ?? '/');
    if (turn === 0) process.send?.('started');
  }
}

process.once('message', () => stopping.abort());
const limit = setTimeout(() => stopping.abort(), 120_000);
await Promise.all(Array.from({ length: options.connections }, (_, index) => connection(index)));
clearTimeout(limit);
agent.destroy();
process.send?.(result);
