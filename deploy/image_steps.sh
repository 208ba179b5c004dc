#!/usr/bin/env bash
# What goes into the image, as commands that also run without a container engine (deploy/check_in_chroot.sh).
#
#   image_steps.sh build SOURCE OUT     builds, and lays out under OUT what the image gets at /
#   image_steps.sh layout SOURCE OUT    the same with programs that are built already
#   image_steps.sh runtime              installs what the programs need to run; as root, on Debian 12
set -euo pipefail

# The example site's applications need Python and Node; the three programs only the libraries.
libraries=(
  libgrpc++1.51 libprotobuf32 libabsl20220623 libprometheus-cpp-core1.0 libre2-9 libyaml-cpp0.7 libc-ares2
  libssl3 libspdlog1.10 libfmt9 libnghttp2-14 zlib1g ca-certificates
)
site=(python3 python3-fastapi python3-uvicorn python3-websockets nodejs curl openssl)

layout() {
  local source=$1 out=$2 program
  install -d "$out/usr/local/bin" "$out/usr/local/lib/sluice" "$out/opt/sluice/zoo"
  for program in sluice sluice-control sluicectl; do
    # The debug information stays where it was built: 35 MB a program.
    objcopy --strip-debug "$source/build/release/bin/$program" "$out/usr/local/bin/$program"
    chmod 755 "$out/usr/local/bin/$program"
  done
  install -m 755 "$source/deploy/entry.sh" "$out/usr/local/lib/sluice/entry.sh"
  cp -R "$source/examples/zoo/." "$out/opt/sluice/zoo/"
}

runtime() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -y -q --no-install-recommends "${libraries[@]}" "${site[@]}"
  rm -rf /var/lib/apt/lists/*
  id sluice >/dev/null 2>&1 || useradd --system --home-dir /var/lib/sluice --shell /usr/sbin/nologin sluice
  install -d -o sluice -g sluice -m 750 /var/lib/sluice
}

case "${1:-}" in
  build) make -C "$2" build && layout "$2" "$3" ;;
  layout) layout "$2" "$3" ;;
  runtime) runtime ;;
  *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
