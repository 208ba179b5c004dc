#!/usr/bin/env bash
# Installs what the named steps need and this machine lacks: tools/install_deps.sh [build] [run] [test] [lint] [bench] [coverage]
#
# Debian 12 packages only. Without arguments: build, run and test. Asks the package manager for nothing
# when everything is there; needs root, or sudo, otherwise. Services that come with a package stay off.
set -euo pipefail

build_packages=(
  clang-19 lld-19 libclang-rt-19-dev ccache cmake ninja-build git make pkg-config python3
  protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libprotoc-dev libgrpc++-dev
  libboost1.81-dev libabsl-dev prometheus-cpp-dev libgtest-dev libgmock-dev libbenchmark-dev
  libre2-dev libyaml-cpp-dev libc-ares-dev libssl-dev libspdlog-dev libcli11-dev libnghttp2-dev
  zlib1g-dev
)
run_packages=(openssl curl ca-certificates python3 python3-fastapi python3-uvicorn python3-websockets)
test_packages=(openssl curl prometheus python3-grpcio)
lint_packages=(clang-tidy-19 clang-format-19)
bench_packages=(nginx-light haproxy wrk nghttp2-client valgrind)
coverage_packages=(llvm-19)

packages=()
add_group() {
  case "$1" in
    build) packages+=("${build_packages[@]}") ;;
    run) packages+=("${run_packages[@]}"); command -v node >/dev/null || packages+=(nodejs) ;;
    test) packages+=("${test_packages[@]}") ;;
    lint) packages+=("${lint_packages[@]}") ;;
    bench) packages+=("${bench_packages[@]}") ;;
    coverage) packages+=("${coverage_packages[@]}") ;;
    *) echo "install_deps.sh: unknown step '$1'; steps are build, run, test, lint, bench and coverage" >&2; exit 2 ;;
  esac
}

[ $# -gt 0 ] || set -- build run test
for group in "$@"; do add_group "$group"; done

distribution=$(. /etc/os-release 2>/dev/null && echo "${ID:-unknown} ${VERSION_ID:-}" || echo unknown)
if [ "$distribution" != "debian 12" ]; then
  echo "Sluice is built from the packages of Debian 12, and this is $distribution: use a Debian 12 machine or container." >&2
  exit 1
fi

missing=()
for package in "${packages[@]}"; do
  dpkg -s "$package" 2>/dev/null | grep -q '^Status: .* installed$' || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "These packages are missing, and installing them needs root or sudo: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

# A package that brings a service asks this file whether it may start it: no (101).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod +x "$policy"
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi

echo "installing: ${missing[*]}"
install() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "${missing[@]}"
}
log=$(mktemp)
if ! { "${as_root[@]}" apt-get update -q && install; } >"$log" 2>&1; then
  cat "$log" >&2
  echo "Installing packages failed; apt's own words are above." >&2
  rm -f "$log"
  exit 1
fi
rm -f "$log"
