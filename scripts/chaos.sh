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
# The crash matrix of the updater: its tests add to it, whether they pass or not.
LANDFALL_MATRIX=$(mktemp -d)
export LANDFALL_MATRIX
trap 'rm -rf "$LANDFALL_MATRIX"' EXIT
code=0
vitest run "$@" || code=$?
node test/chaos/crash-matrix-process.ts "$LANDFALL_MATRIX" || code=1
exit "$code"
