#!/usr/bin/env bash
# The image's one entry: the example site with its control plane and proxy, until SIGTERM. CHECK=1 tests it and ends.
set -euo pipefail
export SLUICE_BIN=${SLUICE_BIN:-/usr/local/bin}
export ZOO_DATA=${ZOO_DATA:-/var/lib/sluice}
exec /opt/sluice/zoo/run.sh
