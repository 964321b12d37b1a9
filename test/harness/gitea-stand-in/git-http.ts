/** `git http-backend`, the CGI program that comes with git, behind the stand-in. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Answer } from '../http-faults.ts';
import type { Call } from './answers.ts';

/** What git takes as a reason to send a user and a password. */
export const LOGIN: Answer = {
  status: 401,
  headers: { 'www-authenticate': 'Basic realm="."', 'content-type': 'text/plain' },
  body: 'Unauthorized\n',
};

/** Whether the path is one that git's own client asks for. */
export function isGitPath(path: string): boolean {
  return /^[^/]+\/[^/]+\.git\/(info\/refs|git-(upload|receive)-pack)$/.test(path);
}

/** Passes the request on and its answer back. A push needs the token. */
export async function answerGit(call: Call): Promise<Answer> {
  const pushes = `${call.path}?${call.query.toString()}`.includes('git-receive-pack');
  if (pushes && !call.authorized) {
    call.request.resume();
    return LOGIN;
  }
  const output = await runBackend(call);
  const split = output.indexOf('\r\n\r\n');
  const headers: Record<string, string> = {};
  let status = 200;
  for (const line of output.subarray(0, split).toString('latin1').split('\r\n')) {
    const at = line.indexOf(':');
    const name = line.slice(0, at).toLowerCase();
    if (name === 'status')
      status = Number(
        line
          .slice(at + 1)
          .trim()
          .split(' ')[0],
      );
    else headers[name] = line.slice(at + 1).trim();
  }
  return { status, headers, body: output.subarray(split + 4) };
}

function runBackend(call: Call): Promise<Buffer> {
  const { request } = call;
  return new Promise((resolve, reject) => {
    const child = spawn('git', ['http-backend'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {
        PATH: process.env['PATH'],
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_HTTP_EXPORT_ALL: '1',
        GIT_PROJECT_ROOT: join(call.state.folder, 'git'),
        PATH_INFO: `/${call.path}`,
        QUERY_STRING: call.query.toString(),
        REQUEST_METHOD: call.method,
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
        ...(request.headers['content-length'] === undefined
          ? {}
          : { CONTENT_LENGTH: request.headers['content-length'] }),
        ...(call.authorized ? { REMOTE_USER: 'ship' } : {}),
      },
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stdin.on('error', () => undefined);
    request.pipe(child.stdin);
    request.once('close', () => child.stdin.end());
    child.once('error', reject);
    child.once('close', () => resolve(Buffer.concat(chunks)));
  });
}
