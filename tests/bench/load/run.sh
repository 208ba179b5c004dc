#!/usr/bin/env bash
# Compares sluice, nginx and HAProxy on this machine: CPU per request, memory per idle connection, time until pushed routes serve.
#
# tests/bench/load/run.sh [--rounds N] [--seconds S] [--json FILE]; needs the release build (make build) and two cores.
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec /usr/bin/python3 tests/bench/load/compare.py "$@"
