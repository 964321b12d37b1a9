#!/bin/sh
# Every crash point and every seed, not only those that `npm test` visits, and the
# tests that take minutes.
# LANDFALL_TEST_REPORT=FILE also writes the runner's JSON report there.
set -eu
sh scripts/system-packages.sh
export LANDFALL_CHAOS=full
set -- --project chaos --project long
if [ -n "${LANDFALL_TEST_REPORT:-}" ]; then
  set -- "$@" --reporter=default --reporter=json --outputFile.json="$LANDFALL_TEST_REPORT"
fi
exec vitest run "$@"
