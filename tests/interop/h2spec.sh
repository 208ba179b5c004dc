#!/bin/bash
# Runs h2spec, strict cases too, against sluice in cleartext and over TLS. H2SPEC names it; SLUICE_BIN_DIR is where
# sluice is. A part of run.sh.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${SLUICE_BIN_DIR:-$root/build/release/bin}
work=$(mktemp -d)
pid= origin_pid=
cleanup() {
  [ -n "$pid" ] && kill "$pid" 2> /dev/null && wait "$pid" 2> /dev/null
  [ -n "$origin_pid" ] && kill "$origin_pid" 2> /dev/null
  rm -rf "$work"
}
trap cleanup EXIT

h2spec=${H2SPEC:-$(command -v h2spec || true)}
[ -n "$h2spec" ] || { echo "h2spec: not there; set H2SPEC"; exit 77; }

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2> /dev/null

python3 "$root/tests/interop/patient_origin.py" > "$work/origin" &
origin_pid=$!
for _ in $(seq 100); do [ -s "$work/origin" ] && break; sleep 0.1; done

# As a proxy: what answers is an origin that waits for the whole request.
manager() { # CODEC
  cat << YAML
        - name: hcm
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
            stat_prefix: in
            codec_type: $1
            route_config:
              virtual_hosts:
              - name: all
                domains: ["*"]
                routes:
                - match: {prefix: /}
                  route: {cluster: origin}
            http_filters:
            - name: router
              typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
YAML
}

listener() { # NAME CODEC
  cat << YAML
  - name: $1
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
$(manager "$2")
YAML
}

tls_socket() {
  cat << YAML
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_certificates:
            - certificate_chain: {filename: $work/cert.pem}
              private_key: {filename: $work/key.pem}
YAML
}

{
  echo "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}"
  echo "static_resources:"
  echo "  listeners:"
  listener plain HTTP2  # HTTP/1 is not for h2spec's broken prefaces to fall back to.
  listener tls AUTO
  tls_socket
  cat << YAML
  clusters:
  - name: origin
    load_assignment:
      cluster_name: origin
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $(cat "$work/origin")}}}
YAML
} > "$work/sluice.yaml"

"$bin/sluice" -c "$work/sluice.yaml" --concurrency 1 --admin-address-path "$work/admin" > "$work/log" 2>&1 &
pid=$!
for _ in $(seq 100); do
  [ -s "$work/admin" ] && break
  kill -0 "$pid" 2> /dev/null || break
  sleep 0.1
done
[ -s "$work/admin" ] || { echo "h2spec: sluice did not start"; cat "$work/log"; exit 1; }
listeners=$(curl -s "http://$(cat "$work/admin")/listeners")
port() { echo "$listeners" | sed -n "s/^$1::.*:\([0-9]*\)\$/\1/p"; }

failed=0
for kind in plain tls; do
  flags=(-S -h 127.0.0.1 -p "$(port $kind)" -o 3)
  [ $kind = tls ] && flags+=(-t -k)
  "$h2spec" "${flags[@]}" > "$work/$kind.txt" 2>&1
  line=$(grep -E '^[0-9]+ tests,' "$work/$kind.txt" | tail -1)
  echo "h2spec $kind: ${line:-did not run}"
  case "$line" in
    *" 0 failed"*) ;;
    *)
      failed=1
      sed -n '/Failures:/,$p' "$work/$kind.txt"
      ;;
  esac
done
exit $failed
