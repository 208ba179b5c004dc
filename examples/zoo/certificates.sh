#!/usr/bin/env bash
# A certificate authority and a server certificate for localhost, for one run: certificates.sh DIRECTORY
set -euo pipefail

directory=$1
mkdir -p "$directory"
cd "$directory"
{
  openssl ecparam -name prime256v1 -genkey -noout -out ca.key
  openssl req -x509 -new -key ca.key -days 2 -subj "/CN=Zoo CA" -out ca.pem \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
  openssl ecparam -name prime256v1 -genkey -noout -out server.key
  openssl req -new -key server.key -subj "/CN=localhost" -out server.csr
  openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out server.pem \
    -extfile <(printf 'subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n')
} >openssl.log 2>&1 || {
  cat openssl.log >&2
  exit 1
}
