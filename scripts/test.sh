#!/bin/sh
# The whole test suite: types, lint, format, dead code; then unit, scenario and
# chaos tests. Started by `npm test`, which sets up the dependencies first.
# LANDFALL_TEST_REPORT=FILE also writes the runner's JSON report there.
set -eu
sh scripts/system-packages.sh
npm run --silent check
set -- --project unit --project scenario --project chaos
if [ -n "${LANDFALL_TEST_REPORT:-}" ]; then
  set -- "$@" --reporter=default --reporter=json --outputFile.json="$LANDFALL_TEST_REPORT"
fi
exec vitest run "$@"
