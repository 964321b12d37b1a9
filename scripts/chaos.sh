#!/bin/sh
# Every crash point and every seed, not only those that `npm test` visits, and the
# tests that npm test has no time for. Needs root.
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
# Power cuts are walked through in copies: meanwhile the kernel must write nothing that
# was not synced. It does after 30 seconds, unless told.
expire=/proc/sys/vm/dirty_expire_centisecs
before=$(cat "$expire")
# Of a run that was killed, or goes on beside this one: what Linux has unless told.
[ "$before" != 360000 ] || before=3000
restore() {
  rm -rf "$LANDFALL_MATRIX"
  echo "$before" >"$expire" || true
}
trap restore EXIT
trap 'exit 130' INT TERM
echo 360000 >"$expire"
code=0
vitest run "$@" || code=$?
node test/chaos/crash-matrix-process.ts "$LANDFALL_MATRIX" || code=1
exit "$code"
