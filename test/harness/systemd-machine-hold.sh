#!/bin/sh
# Holds one machine's disk and cgroup: an overlay on the tree, in memory, in a
# private mount namespace (started as `unshare --mount sh …`). Prints
# `ready <cgroup>` and waits for the end of its standard input; then it kills
# what still runs in the cgroup and removes it. Should the test runner be
# killed, that end comes too, so nothing of a machine outlives it.
set -u
umask 022
home=$1 # of the tree; its `mount` folder is covered here, and only here

die() {
  echo "$*" >&2
  exit 1
}
allowed() {
  "$@" || die "expected that this machine allows '$*'"
}

hold=$home/mount
allowed mount -t tmpfs -o mode=0755 landfall "$hold"
mkdir "$hold/upper" "$hold/work" "$hold/root" "$hold/cgroup"
allowed mount -t overlay \
  -o "lowerdir=$home/tree,upperdir=$hold/upper,workdir=$hold/work" landfall "$hold/root"
tr -d - </proc/sys/kernel/random/uuid >"$hold/root/etc/machine-id"
allowed mount -t cgroup2 landfall "$hold/cgroup"
cgroup=$hold/cgroup/landfall-machine-$$
allowed mkdir "$cgroup"
[ -e "$cgroup/cgroup.kill" ] || die "expected cgroup.kill (Linux 5.14 or later), found $(uname -r)"

echo "ready $cgroup"
cat >/dev/null

echo 1 >"$cgroup/cgroup.kill"
tries=0
while grep -q 'populated 1' "$cgroup/cgroup.events"; do
  tries=$((tries + 1))
  [ "$tries" -le 200 ] || die "processes of the machine are still there after 10 s"
  sleep 0.05
done
find "$cgroup" -depth -type d -exec rmdir {} +
