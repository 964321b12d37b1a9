#!/bin/sh
# Prints the folder of a small Debian tree with nginx and a real PID 1, for the
# tests that need one: systemd, or with the argument `openrc` OpenRC. The first
# call on a machine installs it, with the packages of the machine's own apt
# sources; later calls find it in /var/tmp.
# A tree is built beside its final name and renamed: a crash leaves a `.new`
# folder that the next call removes, never half a tree that looks whole.
set -eu
umask 022
init=${1:-systemd}
case $init in
  systemd) packages=systemd,systemd-sysv ;;
  openrc) packages=openrc,sysvinit-utils,mount,iproute2 ;;
  *) echo "error: expected systemd or openrc, found '$init'" >&2; exit 2 ;;
esac
packages=$packages,nginx-light,procps,libstdc++6,libatomic1
# Never used for as many days: a tree of an older version of this script.
keep_days=14

die() {
  echo "error: no Debian tree for tests: $*" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || die "expected to run as root"
command -v mmdebstrap >/dev/null 2>&1 || die "expected the program mmdebstrap; scripts/system-packages.sh installs it"
# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$suite" ] || die "expected a Debian with a codename, found none in /etc/os-release"

key=$({ cat "$0"; echo "$suite $init"; dpkg --print-architecture; } | sha256sum | cut -c1-12)
home=/var/tmp/landfall-machine-$key
mkdir -p -m 0755 "$home"
# Everyone may write /var/tmp: what somebody else put there is not run as root.
[ ! -L "$home" ] && [ "$(stat -c %u "$home")" = 0 ] || die "'$home' is not ours; remove it"
touch "$home"
exec 9>"$home/lock"
flock 9
find /var/tmp -maxdepth 1 -name 'landfall-machine-*' -mtime "+$keep_days" -exec rm -rf --one-file-system {} +
if [ -d "$home/tree" ]; then
  echo "$home"
  exit
fi

# apt inside mmdebstrap starts from nothing: hand it the machine's sources, and
# how the machine reaches them (proxies, certificates, credentials).
sources=$(find /etc/apt/sources.list /etc/apt/sources.list.d -type f \
  \( -name '*.list' -o -name '*.sources' \) -exec grep -lE '^[[:space:]]*(deb |Types:)' {} + 2>/dev/null | sort) || true
[ -n "$sources" ] || die "expected apt sources in /etc/apt, found none"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
{
  apt-config dump --no-empty --format '%F "%v";%n' Acquire |
    grep -E '^Acquire::(http|https|ftp|Check-|Retries|ForceIPv|Max-|Min-|Queue-)' || true
  echo 'Dir::Etc::netrc "/etc/apt/auth.conf";'
  echo 'Dir::Etc::netrcparts "/etc/apt/auth.conf.d/";'
} >"$scratch/apt.conf"

cat >"$scratch/customize" <<'EOF'
#!/bin/sh
# The tree's own settings; $1 is the tree.
set -eu
cd "$1"
rm -f etc/apt/apt.conf.d/99mmdebstrap etc/dpkg/dpkg.cfg.d/99mmdebstrap etc/machine-id
echo node >etc/hostname
printf '127.0.0.1 localhost node\n::1 localhost\n' >etc/hosts
# The checkout is mounted there when a machine starts.
mkdir -p usr/lib/landfall mnt
ln -s ../../lib/landfall/updater/bin/updater usr/local/bin/updater
if [ -x sbin/openrc-init ]; then
  # What a machine without a kernel of its own needs of a boot: the services.
  rm -f etc/runlevels/*/*
  printf '#!/sbin/openrc-run\nstart() {\n  ip link set lo up\n}\n' >etc/init.d/loopback
  chmod 755 etc/init.d/loopback
  ln -s /etc/init.d/loopback etc/runlevels/sysinit/loopback
  mkdir -p etc/runlevels/default
  ln -s /etc/init.d/nginx etc/runlevels/default/nginx
  ln -sf openrc-init sbin/init
  exit
fi
# What would look at the host's kernel through the tree, or only costs time.
for unit in dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount \
  sys-kernel-tracing.mount sys-fs-fuse-connections.mount systemd-remount-fs.service \
  systemd-journald-audit.socket systemd-sysusers.service getty.target \
  dpkg-db-backup.timer systemd-tmpfiles-clean.timer; do
  ln -sf /dev/null "etc/systemd/system/$unit"
done
# The journal outlives a reboot, and a crash loop is told in full.
mkdir -p var/log/journal etc/systemd/journald.conf.d
printf '[Journal]\nStorage=persistent\nReadKMsg=no\nAudit=no\nRateLimitIntervalSec=0\nSystemMaxUse=64M\n' \
  >etc/systemd/journald.conf.d/test.conf
EOF
chmod 755 "$scratch/customize"

rm -rf --one-file-system "$home/tree.new"
# shellcheck disable=SC2086
mmdebstrap --mode=root --variant=essential --format=directory --include="$packages" \
  --aptopt="$scratch/apt.conf" --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --customize-hook="$scratch/customize" \
  "$suite" "$home/tree.new" $sources >"$home/build.log" 2>&1 9>&- ||
  die "mmdebstrap failed: $(tail -n 5 "$home/build.log" | tr '\n' ' '); all of it is in $home/build.log"
mv "$home/tree.new" "$home/tree"
mkdir -p "$home/mount"
echo "$home"
