#!/bin/sh
# Starts the proxy of this example in a directory of its own, asks both sites by name, and replaces a
# certificate under way: check.sh [SLUICE], by default the one in PATH. Ports 8443, 8080 and 9901,
# or those of HTTPS_PORT, HTTP_PORT and ADMIN_PORT.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sluice=${1:-sluice}
https=${HTTPS_PORT:-8443} http=${HTTP_PORT:-8080} admin=${ADMIN_PORT:-9901}
work=$(mktemp -d)
cd "$work"
sed "s/port_value: 8443/port_value: $https/;s/port_value: 8080/port_value: $http/
s/port_value: 9901/port_value: $admin/;s/port_redirect: 8443/port_redirect: $https/" \
  "$here/bootstrap.yaml" >bootstrap.yaml
sh "$here/make-certificates.sh"
"$sluice" -c bootstrap.yaml >log 2>&1 &
proxy=$!
trap 'kill $proxy 2>/dev/null; wait $proxy 2>/dev/null; rm -rf "$work"' EXIT
fail() { echo "FAILED: $1"; cat log; exit 1; }
ask() { # NAME [CURL OPTION...]
  name=$1; shift
  curl -s --max-time 5 --cacert certs/ca.pem --resolve "$name:$https:127.0.0.1" "$@" "https://$name:$https/"
}
serial() { # NAME
  openssl s_client -connect "127.0.0.1:$https" -servername "$1" </dev/null 2>/dev/null |
    openssl x509 -noout -serial
}
tries=0
until ask one.example.test >/dev/null; do
  tries=$((tries + 1)); [ $tries -lt 100 ] || fail "the proxy does not answer"
  sleep 0.1
done
[ "$(ask one.example.test)" = "site one" ] || fail "one.example.test"
[ "$(ask two.example.test)" = "site two" ] || fail "two.example.test"
[ "$(ask www.two.example.test)" = "site two" ] || fail "www.two.example.test"
ask two.example.test --tls-max 1.2 >/dev/null && fail "site two takes TLS 1.2"
ask other.example.test >/dev/null && fail "a name that nobody serves is served"
curl -s -o /dev/null -w '%{redirect_url}' "http://127.0.0.1:$http/" | grep -q '^https://' || fail "redirect"
before=$(serial one.example.test)
sh "$here/make-certificates.sh" one
tries=0
while [ "$(serial one.example.test)" = "$before" ]; do
  tries=$((tries + 1)); [ $tries -lt 50 ] || fail "the new certificate is not shown"
  sleep 0.1
done
[ "$(ask one.example.test)" = "site one" ] || fail "one.example.test after the rotation"
echo "ok: two sites by name, and a new certificate without a restart"
