#!/bin/sh
# Makes sure that the programs the tests run against are there: as root on
# Debian it installs what is missing, otherwise it names it in one line.
# With the argument `bench`: also what the benches compare with.
set -eu
missing=
need() { # program, Debian package
  PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need git git
need nginx nginx-light
need minisign minisign
need zstd zstd
need strace strace
need curl curl
need jq jq
need openssl openssl
need tar tar
need mmdebstrap mmdebstrap
need faketime faketime
need mkfs.btrfs btrfs-progs
need mkfs.ext4 e2fsprogs
need mkfs.xfs xfsprogs
need perl perl-base
if [ "${1-}" = bench ]; then
  need time time
  need rauc rauc
  need casync casync
  need ostree ostree
  need swupdate swupdate
  need bsdiff bsdiff
  need cpio cpio
  need mksquashfs squashfs-tools
  need dbus-daemon dbus-daemon
fi
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "error: these packages are missing: apt-get install$missing" >&2
  exit 2
fi
echo "Installing system packages:$missing"
# Packages must not start their services: the tests start their own, on loopback.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >/dev/null
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
