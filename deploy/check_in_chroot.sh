#!/usr/bin/env bash
# The image without a container engine: the steps of the Dockerfile in a fresh Debian 12, then its entry with CHECK=1, in
# namespaces of its own (no port of this machine is used, nothing outside it is reachable). As root; needs debootstrap.
#
#   deploy/check_in_chroot.sh [--build] [DIRECTORY]
#
# Takes the programs of `make build`; --build builds them inside (10 minutes). DIRECTORY (default: a temporary one) keeps
# the base system for the next run when given.
set -euo pipefail
cd "$(dirname "$0")/.."

build=
[ "${1:-}" != --build ] || { build=1; shift; }
[ "$(id -u)" -eq 0 ] || { echo "check_in_chroot.sh: chroot needs root" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "check_in_chroot.sh: apt-get install debootstrap" >&2; exit 1; }

if [ -n "${1:-}" ]; then
  root=$(realpath -m "$1")
else
  root=$(mktemp -d "${TMPDIR:-/tmp}/sluice-chroot.XXXXXX")
  trap 'rm -rf --one-file-system "$root"' EXIT
fi
mkdir -p "$root"

# in_root [--offline] <command...>: mounts and processes end with it.
in_root() {
  local network=()
  [ "$1" != --offline ] || { network=(--net); shift; }
  unshare --mount --pid --fork --kill-child "${network[@]}" -- bash -euc '
    root=$1; shift
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    [ -z "$1" ] || ip link set lo up
    shift
    exec chroot "$root" "$@"
  ' in_root "$root" "${network[*]}" "$@"
}

if [ ! -e "$root/etc/debian_version" ]; then
  debootstrap --variant=minbase bookworm "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
fi
# What a container engine would put there.
cp /etc/resolv.conf "$root/etc/resolv.conf"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
install -D -m 755 deploy/image_steps.sh "$root/tmp/image_steps.sh"

if [ -n "$build" ]; then
  rm -rf "$root/src" "$root/out"
  mkdir "$root/src"
  git ls-files -z | xargs -0 cp --parents -t "$root/src"
  in_root /bin/bash -c 'apt-get update -q && apt-get install -y -q --no-install-recommends git make ca-certificates'
  in_root /src/deploy/image_steps.sh build /src /out
  cp -R "$root/out/." "$root/"
else
  deploy/image_steps.sh layout . "$root"
fi
in_root /tmp/image_steps.sh runtime

in_root --offline setpriv --reuid sluice --regid sluice --init-groups env -i PATH=/usr/local/bin:/usr/bin:/bin CHECK=1 \
  /usr/local/lib/sluice/entry.sh
echo "the image's steps and its entry work in a bare Debian 12"
