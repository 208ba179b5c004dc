#!/bin/sh
# Makes certs/ca.pem and a certificate for each site, signed by it: make-certificates.sh [NAME...]
# Existing ones are replaced by a rename, so a running proxy takes them at once.
set -eu
mkdir -p certs
if [ ! -f certs/ca.pem ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
    -subj "/CN=Example CA" -keyout certs/ca.key -out certs/ca.pem 2>/dev/null
fi
for name in "${@:-one two}"; do
  for site in $name; do
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$site" \
      -keyout "certs/$site.key.new" -out certs/request.pem 2>/dev/null
    printf 'subjectAltName=DNS:%s.example.test,DNS:*.%s.example.test\n' "$site" "$site" >certs/names
    openssl x509 -req -in certs/request.pem -CA certs/ca.pem -CAkey certs/ca.key -days 20 \
      -set_serial "0x$(openssl rand -hex 8)" -extfile certs/names -out "certs/$site.pem.new" 2>/dev/null
    mv "certs/$site.key.new" "certs/$site.key"
    mv "certs/$site.pem.new" "certs/$site.pem"
    rm -f certs/request.pem certs/names
  done
done
