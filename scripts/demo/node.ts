/**
 * The node's side of the demo: its root, state and configuration, and the
 * script that the updater runs to restart the backend.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface DemoNode {
  root: string;
  config: string;
  /** Where a visitor finds the web UI. */
  url: string;
  pidFile: string;
}

/** Lays the node out in `folder`. */
export function makeNode(
  folder: string,
  options: { port: number; publicKey: string; mirrors: readonly { name: string; url: string }[] },
): DemoNode {
  const root = join(folder, 'opt');
  const state = join(folder, 'state');
  for (const path of [folder, root]) mkdirSync(path, { recursive: true, mode: 0o755 });
  mkdirSync(state, { mode: 0o700 });
  const node: DemoNode = {
    root,
    config: join(folder, 'updater.toml'),
    url: `http://127.0.0.1:${options.port}/`,
    pidFile: join(folder, 'backend.pid'),
  };
  const restart = join(folder, 'restart-backend');
  writeFileSync(restart, restartScript(node, options.port));
  writeFileSync(
    node.config,
    `app = "demo"
public_keys = ["${options.publicKey}"]
root = "${root}"
state = "${state}"
probation = "0s"

${options.mirrors.map((each) => `[[mirrors]]\ntype = "directory"\nname = "${each.name}"\nurl = "${each.url}"\n`).join('\n')}
[probe]
url = "${node.url}"
window = "10s"       # 90s unless told; the demo is in a hurry
interval = "250ms"

[[services]]
name = "backend"
manager = "command"
restart = ["sh", "${restart}"]
pid_file = "${node.pidFile}"
`,
    { mode: 0o644 },
  );
  return node;
}

/** Ends the backend, if it runs. */
export function stopBackend(node: DemoNode): void {
  if (!existsSync(node.pidFile)) return;
  try {
    process.kill(Number(readFileSync(node.pidFile, 'utf8')), 'SIGTERM');
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'ESRCH') throw error;
  }
}

function restartScript(node: DemoNode, port: number): string {
  return `# Ends the old backend, waits until it is gone, starts the one of the running deployment.
if [ -s "${node.pidFile}" ]; then
  old=$(cat "${node.pidFile}")
  kill "$old" 2>/dev/null
  while kill -0 "$old" 2>/dev/null; do sleep 0.05; done
fi
[ -e "${node.root}/current/server" ] || exit 0
"${process.execPath}" "${node.root}/current/server" "${node.root}/current" ${port} >/dev/null 2>&1 </dev/null &
echo $! >"${node.pidFile}"
`;
}
