#!/bin/sh
# Runs a command under the project's own Node, having first installed what
# package-lock.json names. Works on a fresh clone with any Node 20 or later and
# npm: the Node that everything then runs under comes through npm itself.
set -eu
house=$(dirname "$(dirname "$(readlink -f "$0")")")
cd "$house"
stamp=node_modules/.landfall-setup
wanted=$(cksum <package-lock.json)
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ]; then
  echo "Installing dependencies (npm ci)"
  npm ci --no-audit --no-fund --loglevel=error
  printf '%s\n' "$wanted" >"$stamp"
fi
PATH=$house/node_modules/.bin:$PATH
export PATH
number=$(node -p 'const [a, b] = process.versions.node.split("."); a * 100 + Number(b)')
# Others lose what follows the first frame of a zstd file.
if [ "$number" -lt 2422 ] || { [ "$number" -ge 2500 ] && [ "$number" -lt 2610 ]; }; then
  echo "error: expected Node 24.22, or 26.10 or later, found $(node -v)" >&2
  echo "  hint: npm brings one for linux-x64 and linux-arm64; elsewhere install it first" >&2
  exit 2
fi
exec "$@"
