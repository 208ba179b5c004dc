#!/usr/bin/env bash
# Starts the example site: two applications, the control plane and the proxy. Runs until Ctrl-C, which stops all of it.
#
# CHECK=1 asks every address, changes routes and moves an application under load, and exits 0 or 1. SLUICE_BIN names
# the directory of the programs (build/release/bin), ZOO_DATA that of the control plane's data.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
bin=${SLUICE_BIN:-$root/build/release/bin}
check=${CHECK:-}
# The system's Python: the packages of the applications are Debian's.
python=/usr/bin/python3

pids=()
names=()
logs=
started=$(date +%s%N)

# Only what was started here, by its id: those that talk to others first, each with time to finish.
stop_all() {
  trap - EXIT
  trap '' INT TERM HUP
  local i pid
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill -TERM "${pids[i]}" 2>/dev/null || true
  done
  local deadline=$((SECONDS + 10))
  for pid in "${pids[@]}"; do
    while kill -0 "$pid" 2>/dev/null && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.05; done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  [ -z "$logs" ] || rm -rf "$logs"
}

fail() {
  echo "run.sh: $*" >&2
  exit 1
}

# start <name> <command...>: in the background; dies with this script even if that is killed outright.
start() {
  local name=$1
  shift
  setpriv --pdeathsig TERM "$@" >"$logs/$name.log" 2>&1 </dev/null &
  pids+=("$!")
  names+=("$name")
}

# What died while it should run, with its last words.
all_alive() {
  local i
  for i in "${!pids[@]}"; do
    kill -0 "${pids[i]}" 2>/dev/null || {
      tail -n 15 "$logs/${names[i]}.log" >&2
      fail "${names[i]} ended; its last lines are above"
    }
  done
}

# wait_for <what> <command...>
wait_for() {
  local what=$1 deadline=$((SECONDS + 20))
  shift
  until "$@" >/dev/null 2>&1; do
    all_alive
    [ "$SECONDS" -lt "$deadline" ] || {
      tail -n 15 "$logs"/*.log >&2
      fail "$what is not ready after 20 s; the logs are above"
    }
    sleep 0.05
  done
}

answers() { curl --silent --fail --max-time 2 --output /dev/null "$1"; }

[ -x "$bin/sluice" ] && [ -x "$bin/sluice-control" ] || fail "no programs in $bin: run 'make build' first"
ports=(8000 9000 9100 9901 18000 18001)
[ -z "$check" ] || ports+=(9001 9443)
"$python" "$here/ports.py" "${ports[@]}"

logs=$(mktemp -d "${TMPDIR:-/tmp}/sluice-zoo.XXXXXX")
trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

apps=$here/apps.yaml
if [ -n "$check" ]; then
  # Nothing outside this machine is asked: a server of our own stands in for google.com.
  "$here/certificates.sh" "$logs/tls"
  start tls "$python" "$here/tls_app.py" 9443 "$logs/tls/server.pem" "$logs/tls/server.key"
  sed -E "s#^( *google:).*#\1 { url: https://localhost:9443, ca_file: $logs/tls/ca.pem }#" "$apps" >"$logs/apps.yaml"
  apps=$logs/apps.yaml
fi
# What a check changes is gone with it.
data=$logs/data
[ -n "$check" ] || data=${ZOO_DATA:-$data}
mkdir -p "$data"

start python env INSTANCE=9000 PYTHONDONTWRITEBYTECODE=1 "$python" -m uvicorn --app-dir "$here" --port 9000 \
  --no-access-log --no-server-header python_app:app
python_pid=${pids[-1]}
start node node "$here/node_app.js" 9100
start sluice-control "$bin/sluice-control" --config "$apps" --data "$data"
start sluice "$bin/sluice" -c "$here/bootstrap.yaml" --service-node zoo-1

wait_for "sluice-control" answers http://127.0.0.1:18001/readyz
wait_for "sluice" answers http://127.0.0.1:9901/ready
wait_for "the site" answers http://127.0.0.1:8000/health
wait_for "the Python application" answers http://127.0.0.1:8000/
wait_for "the Node application" answers http://127.0.0.1:8000/node
ready_ms=$((($(date +%s%N) - started) / 1000000))

if [ -n "$check" ]; then
  "$python" "$here/check.py" "$logs" "$python_pid" || {
    status=$?
    tail -n 20 "$logs/sluice.log" "$logs/sluice-control.log" >&2
    exit "$status"
  }
  exit 0
fi

cat <<TEXT
Ready after $ready_ms ms.

  the site        http://127.0.0.1:8000
  admin, metrics  http://127.0.0.1:9901
  the API         http://127.0.0.1:18001
  logs            $logs

Try, in another terminal:

  curl http://127.0.0.1:8000/hello            the Python application
  curl http://127.0.0.1:8000/node/hello       the Node application
  curl http://127.0.0.1:8000/go               the proxy itself
  curl http://127.0.0.1:8000/health           the proxy itself
  curl http://127.0.0.1:8000/google           https://google.com, over TLS

Change the site while it runs:

  $bin/sluicectl route add '*' --path /hi --respond 200 --body 'hi there'
  $bin/sluicectl proxies
  curl http://127.0.0.1:8000/hi
  $bin/sluicectl app set node --url http://127.0.0.1:9000

Ctrl-C stops everything.
TEXT
while true; do
  all_alive
  # Not a plain sleep: a signal must not wait for it.
  sleep 1 &
  wait $! || true
done
