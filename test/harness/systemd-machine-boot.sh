#!/bin/sh
# Starts systemd as PID 1 on a machine's disk. Runs in the mount namespace of
# systemd-machine-hold.sh, as the first process of new mount, pid, uts, ipc and
# net namespaces; joins the machine's cgroup, lays out what a kernel and an
# initramfs would have, and becomes /sbin/init. Prints `pid N` first: its pid
# outside. Everything made here is gone with this process.
set -u
umask 022
home=$1 cgroup=$2 checkout=$3 withheld=$4
root=$home/mount/root

allowed() {
  "$@" && return
  echo "expected that this machine allows '$*'" >&2
  exit 1
}

if [ -z "${joined-}" ]; then
  read -r pid _ </proc/self/stat
  echo "pid $pid"
  # First into the cgroup, then into a namespace that has it as its root.
  echo 0 >"$cgroup/cgroup.procs" || exit 1
  joined=yes exec unshare --cgroup sh "$0" "$@"
fi

allowed mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
# The kernel is the host's: nothing in here may set anything in it.
for name in sys sysrq-trigger; do
  [ -e "$root/proc/$name" ] || continue
  allowed mount --bind "$root/proc/$name" "$root/proc/$name"
  allowed mount -o remount,bind,ro "$root/proc/$name"
done
allowed mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
allowed mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
allowed mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs "$root/run"

allowed mount -t tmpfs -o mode=0755,nosuid tmpfs "$root/dev"
while read -r name minor; do
  allowed mknod -m 666 "$root/dev/$name" c 1 "$minor"
done <<EOF
null 3
zero 5
full 7
random 8
urandom 9
EOF
allowed mknod -m 666 "$root/dev/tty" c 5 0
mkdir "$root/dev/pts" "$root/dev/shm"
allowed mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$root/dev/pts"
allowed mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"

# Every boot has an id of its own, as after a real one.
cat /proc/sys/kernel/random/uuid >"$root/run/boot_id"
allowed mount --bind "$root/run/boot_id" "$root/proc/sys/kernel/random/boot_id"
allowed mount -o remount,bind,ro "$root/proc/sys/kernel/random/boot_id"

for name in package.json node_modules packages mirrors updater; do
  at=$root/usr/lib/landfall/$name
  if [ -d "$checkout/$name" ]; then mkdir -p "$at"; else : >>"$at"; fi
  allowed mount --bind "$checkout/$name" "$at"
  allowed mount -o remount,bind,ro,nosuid,nodev "$at"
done

hostname node
cd "$root" || exit 1
allowed pivot_root . mnt
allowed umount -l /mnt
# `container` tells systemd that it is not alone with the kernel.
exec setpriv "--bounding-set=$withheld" \
  env -i container=landfall PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  /sbin/init </dev/null
