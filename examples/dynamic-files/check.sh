#!/bin/sh
# Starts the proxy of this example in a directory of its own and replaces its routes under way, once well and once
# badly: check.sh [SLUICE], by default the one in PATH. Ports 8080 and 9901, or those of HTTP_PORT and ADMIN_PORT.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sluice=${1:-sluice}
http=${HTTP_PORT:-8080} admin=${ADMIN_PORT:-9901}
work=$(mktemp -d)
cd "$work"
sed "s/port_value: 9901/port_value: $admin/" "$here/bootstrap.yaml" >bootstrap.yaml
sed "s/\"port_value\": 8080/\"port_value\": $http/" "$here/lds.json" >lds.json
cp "$here/cds.json" "$here/rds.json" .
"$sluice" -c bootstrap.yaml >log 2>&1 &
proxy=$!
trap 'kill $proxy 2>/dev/null; wait $proxy 2>/dev/null; rm -rf "$work"' EXIT
fail() { echo "FAILED: $1"; cat log; exit 1; }
says() { # TEXT: within 10 s
  tries=0
  until [ "$(curl -s --max-time 5 "http://127.0.0.1:$http/")" = "$1" ]; do
    tries=$((tries + 1)); [ $tries -lt 100 ] || fail "no answer '$1'"
    sleep 0.1
  done
}
says "first version"
sed 's/first version/second version/;s/"version_info": "1"/"version_info": "2"/' rds.json >next.json
mv next.json rds.json
says "second version"
echo '{ "resources": [ half' >next.json
mv next.json rds.json
tries=0
until grep -q 'rds.json' log; do
  tries=$((tries + 1)); [ $tries -lt 100 ] || fail "the broken file is not reported"
  sleep 0.1
done
says "second version"
curl -s "http://127.0.0.1:$admin/events" | grep -q '"kind":"failed"' || fail "/events does not tell"
echo "ok: routes from a file, replaced without a restart, and a broken one refused"
